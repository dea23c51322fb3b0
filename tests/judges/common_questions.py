"""Thirty-two questions that a small chat model can be asked: capitals, sums, and what everybody knows. Our own."""

from typing import NamedTuple

from judges.held_out.anchor_items import ChoiceItem, ExactItem


class Question(NamedTuple):
    """One question; the sentence that answers it, with {} for the word that matters; that word, and wrong ones."""

    category: str
    text: str
    sentence: str
    right: str
    wrong: tuple[str, ...]

    @property
    def prompt(self) -> str:
        return f"{self.text} Give only the answer."

    @property
    def choice(self) -> ChoiceItem:
        """Which of the sentences is right: the first."""
        said = tuple(map(self.sentence.format, (self.right, *self.wrong)))
        return ChoiceItem(
            item_id=self.text, prompt=self.prompt, method="exact", category=self.category, options=said, right=0
        )

    @property
    def exact(self) -> ExactItem:
        """The model's own words, in one or in a sentence; of sums, the last number."""
        said = self.right, self.sentence.format(self.right)
        return ExactItem(
            item_id=self.text,
            prompt=self.prompt,
            method="exact",
            category=self.category,
            answers=said,
            normalisation="number" if self.category == "sums" else "squad",
        )


def capital(country: str, right: str, *wrong: str) -> Question:
    return Question(
        "capitals", f"What is the capital of {country}?", f"The capital of {country} is {{}}.", right, wrong
    )


def sums(task: str, right: int, *wrong: int) -> Question:
    return Question("sums", f"What is {task}?", f"{task} = {{}}", str(right), tuple(map(str, wrong)))


def fact(text: str, sentence: str, right: str, *wrong: str) -> Question:
    return Question("facts", text, sentence, right, wrong)


QUESTIONS = (
    capital("France", "Paris", "Berlin", "banana"),
    capital("Germany", "Berlin", "Paris", "Vienna"),
    capital("Italy", "Rome", "Milan", "Madrid"),
    capital("Spain", "Madrid", "Lisbon", "Barcelona"),
    capital("Japan", "Tokyo", "Osaka", "Seoul"),
    capital("Russia", "Moscow", "Warsaw", "Kiev"),
    capital("Egypt", "Cairo", "Tunis", "Athens"),
    capital("Austria", "Vienna", "Berlin", "Zurich"),
    capital("Greece", "Athens", "Rome", "Sofia"),
    capital("Portugal", "Lisbon", "Madrid", "Porto"),
    sums("2 + 2", 4, 5, 3),
    sums("3 + 5", 8, 7, 9),
    sums("10 - 4", 6, 5, 7),
    sums("9 - 2", 7, 8, 6),
    sums("2 * 3", 6, 5, 8),
    sums("4 * 2", 8, 6, 9),
    sums("8 / 2", 4, 3, 5),
    sums("1 + 1", 2, 3, 1),
    sums("7 + 2", 9, 8, 6),
    sums("5 - 5", 0, 1, 5),
    fact("What colour is the sky on a clear day?", "The sky on a clear day is {}.", "blue", "green", "red"),
    fact("What colour is grass?", "The colour of grass is {}.", "green", "blue", "purple"),
    fact("How many legs does a dog have?", "A dog has {} legs.", "four", "three", "six"),
    fact("How many days are in a week?", "There are {} days in a week.", "seven", "five", "eight"),
    fact("What is the opposite of hot?", "The opposite of hot is {}.", "cold", "warm", "heavy"),
    fact("What is the opposite of up?", "The opposite of up is {}.", "down", "left", "high"),
    fact("Which planet do we live on?", "The planet we live on is {}.", "Earth", "Mars", "Venus"),
    fact("Which animal says meow?", "The answer is {}.", "cat", "dog", "cow"),
    fact("What do bees make?", "Bees make {}.", "honey", "milk", "bread"),
    fact("What is frozen water called?", "Frozen water is called {}.", "ice", "steam", "sand"),
    fact("Which season comes after winter?", "The season after winter is {}.", "spring", "autumn", "Monday"),
    fact("Which day comes after Monday?", "The day after Monday is {}.", "Tuesday", "Sunday", "Friday"),
)
