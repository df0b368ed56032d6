"""The audits of the usual optimizers, printed as a user prints them."""

from examples import audit


def test_it_prints_a_table_for_each_optimizer_and_what_is_wrong(capsys):
    audit.main()
    printed = capsys.readouterr().out
    assert printed.count("path ") == len(audit.optimizers())
    assert printed.count("does not depend on the strength") == 1
    assert printed.count("decayed although") == 2
    assert printed.count("is lost in bfloat16") == 1
    assert printed.count("embed/embedding, head/kernel, hidden/kernel are decayed twice") == 1
    assert printed.count("10000 steps, 20 epochs") > 0
    assert printed.count("a share of the step  ") == printed.count("the Lasso's  ") == 1
