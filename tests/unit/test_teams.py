"""The order that dependencies and priorities give a team, and plans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.domain.flows import AgentflowCreate, OrchestrationType
from perdure.domain.plans import plan
from perdure.domain.teams import Agent, in_sequence, in_waves, resolve_dependencies


def team(**needs: list[str]) -> list[Agent]:
    return [Agent(id=name, name=f"Agent {name}", dependencies=before) for name, before in needs.items()]


def test_dependencies_are_ids_or_names() -> None:
    assert resolve_dependencies(team(a=[], b=["a"], c=["Agent b", "a"])) == {
        "a": frozenset(),
        "b": frozenset({"a"}),
        "c": frozenset({"a", "b"}),
    }


@pytest.mark.parametrize(
    ("agents", "sentence"),
    [
        (team(a=["a"]), "circle"),
        (team(a=["b"], b=["c"], c=["a"], d=[]), "circle"),
        (team(a=["nobody"]), "no id or name"),
        ([Agent(id="x", name="A"), Agent(id="x", name="B")], "share one"),
        ([Agent(name="A"), Agent(name="A"), Agent(name="B", dependencies=["A"])], "several agents"),
    ],
)
def test_a_team_that_cannot_run_is_refused_with_a_sentence(agents: list[Agent], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        resolve_dependencies(agents)


def test_a_sequence_goes_by_dependencies_then_priority_then_place() -> None:
    agents = [
        Agent(id="late", name="late", priority=9),
        Agent(id="needs", name="needs", priority=1, dependencies=["late"]),
        Agent(id="first", name="first", priority=2),
        Agent(id="second", name="second", priority=2),
    ]

    assert [agent.id for agent in in_sequence(agents)] == ["first", "second", "late", "needs"]


@given(st.lists(st.tuples(st.integers(1, 3), st.sets(st.integers(0, 11))), max_size=12))
def test_nobody_runs_before_what_it_needs(drawn: list[tuple[int, set[int]]]) -> None:
    agents = [
        Agent(id=str(n), name=str(n), priority=priority, dependencies=[str(m) for m in sorted(needs) if m < n])
        for n, (priority, needs) in enumerate(drawn)
    ]
    needs = resolve_dependencies(agents)

    done: set[str] = set()
    for agent in in_sequence(agents):
        assert needs[agent.id] <= done
        done.add(agent.id)
    assert len(done) == len(agents)
    done = set()
    for wave in in_waves(agents):
        assert all(needs[agent.id] <= done for agent in wave)
        done |= {agent.id for agent in wave}
    assert len(done) == len(agents)


def test_a_plan_has_one_agent_a_stage_in_sequence_and_waves_otherwise() -> None:
    agents = team(a=[], b=[], c=["Agent a", "b"])

    def stages(orchestration: OrchestrationType) -> list[list[str]]:
        planned = plan(AgentflowCreate(name="T", orchestration_type=orchestration, agents=agents))
        assert [stage.stage for stage in planned.stages] == list(range(1, len(planned.stages) + 1))
        return [[agent.id for agent in stage.agents] for stage in planned.stages]

    assert stages(OrchestrationType.SEQUENTIAL) == [["a"], ["b"], ["c"]]
    assert stages(OrchestrationType.PARALLEL) == [["a", "b"], ["c"]]
    dynamic = {kind: plan(AgentflowCreate(name="T", orchestration_type=kind)).dynamic for kind in OrchestrationType}
    known_before = {OrchestrationType.SEQUENTIAL, OrchestrationType.PARALLEL}
    assert dynamic == {kind: kind not in known_before for kind in OrchestrationType}
    last = plan(AgentflowCreate(name="T", agents=agents)).stages[-1].agents[0]
    assert last.dependencies == ["a", "b"]
