from perdure.cli.doctor import on_host, unknown_variables


def test_a_worker_is_known_by_the_name_of_its_host() -> None:
    workers = ["7@3f1c", "8@3f1c", "7@3f1c0", "3f1c@other", "named by hand"]

    assert on_host("3f1c", workers) == ["7@3f1c", "8@3f1c"]
    assert on_host("elsewhere", workers) == []


def test_misspelt_variables_are_found() -> None:
    assert unknown_variables(["PERDURE_API__PROT", "PERDURE_API__PORT", "HOME"]) == ["PERDURE_API__PROT"]
