"""A site plan asked for on one page: the questions of provisioning.plan.ask, with what the sources
say now as their channels.

1. All questions that follow from the answers stand on the page; where an answer brings more of them
   (a second bus), they are asked next, and nothing is lost.
2. An answer that is wrong is named at its field, in the words of whoever checks it.
"""

from collections.abc import Mapping, Sequence

from evidence.siteplan import SitePlan
from provisioning.page import layout
from provisioning.page.element import Html, joined, tag
from provisioning.page.session import Random
from provisioning.page.step import Form, FormError
from provisioning.plan import ask
from provisioning.plan.ask import Heard, Question
from provisioning.source import RequestError

MORE = "Your answers bring more questions. They are asked below; then go on."


def asked(sources: Sequence[Heard], texts: Mapping[str, str], before: SitePlan) -> list[Question]:
    """The questions that follow from what was filled in, and elsewhere from the defaults."""
    answers: dict[str, str] = {}
    found: list[Question] = []
    try:
        while (question := ask.following(sources, answers, before)) is not None:
            found.append(question)
            answers[question.key] = texts.get(question.key, question.default)
    except RequestError:  # an answer that is wrong brings no more questions
        pass
    return found


def answered(sources: Sequence[Heard], form: Form, before: SitePlan, random: Random) -> SitePlan:
    """The plan that was filled in. Raises FormError, RequestError."""
    answers: dict[str, str] = {}
    while (question := ask.following(sources, answers, before)) is not None:
        if question.key not in form.texts:
            raise FormError(MORE, question.key)
        answer = form.text(question.key)
        try:
            ask.check(question, answer)
        except RequestError as fault:
            raise FormError(str(fault), question.key) from fault
        answers[question.key] = answer
    return ask.plan(sources, answers, random, before)


def shown(sources: Sequence[Heard], form: Form, before: SitePlan) -> Html:
    """The form."""
    return joined(
        tag("h2", "By answering questions"),
        layout.form(
            *("plan", "ask", form.token),
            *(_field(one, form) for one in asked(sources, form.texts, before)),
            layout.button("See what this would change"),
        ),
    )


def _field(question: Question, form: Form) -> Html:
    value = form.texts.get(question.key, question.default)
    if question.choices:
        options = [(one, one) for one in question.choices]
        return layout.choice(question.key, question.text, options, value)
    wrong = "see above" if form.wrong == question.key and question.key in form.texts else ""
    hint = f"Such as {question.example}" if question.example else ""
    return layout.field(
        question.key, question.text, value, hint=hint, wrong=wrong, required=bool(question.default)
    )
