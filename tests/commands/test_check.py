"""`airl check`."""

from support.cli import Airl


def test_an_environment_is_examined_in_a_table(airl: Airl) -> None:
    outcome = airl("check", "env=gym", "env.id=CartPole-v1", "total_timesteps=1000")
    assert outcome.code == 0
    for words in ("CartPole-v1", "time limit 500 steps", "same episode", "1,000 steps take"):
        assert words in " ".join(outcome.out.replace("│", " ").split())


def test_mistakes_are_named_in_two_lines(airl: Airl) -> None:
    for arguments, message in (
        ((), "no environment is chosen"),
        (("env=gym", "env.id=CartPol-v1"), "CartPole-v1"),
    ):
        outcome = airl("check", *arguments)
        assert outcome.code == 2
        assert message in outcome.err
        assert len(outcome.err.strip().splitlines()) <= 2
