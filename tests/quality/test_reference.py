"""The reference page is what the rules are."""

from __future__ import annotations

from pathlib import Path

from immunoprofile.quality import describe_rules, load_quality_rules


def test_reference__is_made_from_the_rules(checkout: Path) -> None:
    page = (checkout / "docs" / "reference" / "quality_rules.md").read_text(encoding="utf-8")
    assert page == describe_rules(load_quality_rules())


def test_explanation__names_only_rules_that_exist_and_settings_as_they_are(checkout: Path) -> None:
    text = (checkout / "docs" / "explanation" / "quality.md").read_text(encoding="utf-8")
    rules = load_quality_rules()
    time = rules.find("time_affected")
    assert time is not None
    assert f"by a factor of {time.settings['rate_ratio']:g}" in text
    assert f"{time.settings['effect']:g} standard deviations" in text
    assert f"first {rules.find('bridge_control').settings['centre_runs']:g} runs" in text
    for rule in rules.rules:
        assert f"`{rule.id}`" in text, rule.id
