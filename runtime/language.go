package runtime

import (
	"slices"
	"strings"
	"sync"
)

// languageDocs are the functions of the language, methods by their type, and
// members of modules: how each is called and what it gives. They are what editors
// show; the verbs describe themselves, and control.star the host's functions.
const languageDocs = `
abs(x: int | float) -> int | float — the absolute value
all(items) -> bool — whether every item is true; True for none
any(items) -> bool — whether an item is true; False for none
bool(x = False) -> bool — whether x is true: not empty, zero, None or False
bytes(x) -> bytes — the bytes of a string, or of a list of numbers from 0 to 255
chr(i: int) -> str — the string of one Unicode code point
dict(pairs = [], **kwargs) -> dict — a dictionary of pairs and of names with their values
dir(x) -> list[str] — the names of the attributes of x, sorted
enumerate(items, start: int = 0) -> list[tuple] — pairs of index and item
float(x = 0.0) -> float — x as a number with a fraction
getattr(x, name: str, default) -> any — the attribute of x called name, else the default
hasattr(x, name: str) -> bool — whether x has an attribute called name
hash(x: str) -> int — a number for a string, always the same
int(x, base: int = 10) -> int — a whole number, of a string or a number
len(x) -> int — how many items there are; of a string, how many bytes
list(items = []) -> list — a new list of the items
max(*items, key: callable) -> any — the greatest of the items, or of the one list of them
min(*items, key: callable) -> any — the least of the items, or of the one list of them
ord(s: str) -> int — the Unicode code point of a string of one
range(start: int, stop: int, step: int = 1) -> range — the numbers from start to before stop; range(n) begins at 0
repr(x) -> str — x as the language would write it
reversed(items) -> list — the items in reverse order
set(items = []) -> set — a set of the items
sorted(items, *, key: callable, reverse: bool = False) -> list — a new list of the items in order
str(x) -> str — x as text
tuple(items = ()) -> tuple — the items as a tuple
type(x) -> str — the name of the type of x
zip(*lists) -> list[tuple] — the first items of each list, the second ones, and so on
json.encode(x) -> str — x as JSON in one line
json.encode_indent(x, *, prefix: str = "", indent: str = "\t") -> str — x as JSON in several lines
json.decode(text: str, default) -> any — the value that a JSON text is
json.indent(text: str, *, prefix: str = "", indent: str = "\t") -> str — a JSON text in several lines
math.acos(x) -> float — the angle in radians whose cosine is x
math.acosh(x) -> float — the inverse hyperbolic cosine of x
math.asin(x) -> float — the angle in radians whose sine is x
math.asinh(x) -> float — the inverse hyperbolic sine of x
math.atan(x) -> float — the angle in radians whose tangent is x
math.atan2(y, x) -> float — the angle in radians of the point x, y
math.atanh(x) -> float — the inverse hyperbolic tangent of x
math.copysign(x, y) -> float — x with the sign of y
math.cos(x) -> float — the cosine of an angle in radians
math.cosh(x) -> float — the hyperbolic cosine of x
math.degrees(x) -> float — an angle in radians, in degrees
math.gamma(x) -> float — the gamma function of x
math.hypot(x, y) -> float — how far the point x, y is from the origin
math.radians(x) -> float — an angle in degrees, in radians
math.remainder(x, y) -> float — the rest of x divided by y, from the nearest multiple of y
math.sin(x) -> float — the sine of an angle in radians
math.sinh(x) -> float — the hyperbolic sine of x
math.tan(x) -> float — the tangent of an angle in radians
math.tanh(x) -> float — the hyperbolic tangent of x
math.ceil(x) -> int — the least whole number that is not below x
math.floor(x) -> int — the greatest whole number that is not above x
math.round(x) -> float — the nearest whole number
math.sqrt(x) -> float — the square root
math.pow(x, y) -> float — x to the power of y
math.fabs(x) -> float — the absolute value
math.mod(x, y) -> float — the rest of x divided by y
math.log(x, base = 2.718281828459045) -> float — the logarithm
math.exp(x) -> float — e to the power of x
time.now() -> time — the start of the run
time.parse_time(text: str, format: str = "2006-01-02T15:04:05Z07:00", location: str = "UTC") -> time — the time that a text says
time.parse_duration(text: str) -> duration — the duration that a text says: "1h30m"
time.from_timestamp(seconds: int, nanoseconds: int = 0) -> time — the time so many seconds after 1970 began, in UTC
time.time(year: int, month: int, day: int, hour: int, minute: int, second: int, nanosecond: int, *, location: str = "UTC") -> time — the time of a date
time.is_valid_timezone(name: str) -> bool — whether there is a time zone of that name
str.capitalize() -> str — with its first letter in upper case and the others in lower case
str.count(part: str, start: int = 0, end: int = None) -> int — how often part occurs
str.elems() -> any — its bytes, one after the other, as strings
str.codepoint_ords() -> any — the numbers of its characters, one after the other
str.elem_ords() -> any — its bytes, one after the other, as numbers
str.codepoints() -> any — its characters, one after the other, as strings
str.endswith(suffix: str | tuple) -> bool — whether it ends so
str.find(part: str, start: int = 0, end: int = None) -> int — where part begins first, -1 for nowhere
str.format(*args, **kwargs) -> str — with {}, {0} and {name} replaced by the arguments
str.index(part: str, start: int = 0, end: int = None) -> int — where part begins first; an error for nowhere
str.isalnum() -> bool — whether it is letters and digits only
str.isalpha() -> bool — whether it is letters only
str.isdigit() -> bool — whether it is digits only
str.islower() -> bool — whether its letters are lower case
str.isspace() -> bool — whether it is white space only
str.istitle() -> bool — whether each of its words begins with a capital
str.isupper() -> bool — whether its letters are upper case
str.join(items) -> str — the items with the string between them
str.lower() -> str — in lower case
str.lstrip(cutset: str = " ") -> str — without white space, or these characters, at its beginning
str.partition(separator: str) -> tuple — what is before the first separator, the separator, and what is behind it
str.removeprefix(prefix: str) -> str — without the prefix, if it begins with it
str.removesuffix(suffix: str) -> str — without the suffix, if it ends with it
str.replace(old: str, new: str, count: int = -1) -> str — with new in place of old
str.rfind(part: str, start: int = 0, end: int = None) -> int — where part begins last, -1 for nowhere
str.rindex(part: str, start: int = 0, end: int = None) -> int — where part begins last; an error for nowhere
str.rpartition(separator: str) -> tuple — what is before the last separator, the separator, and what is behind it
str.rsplit(separator: str = None, max: int = -1) -> list[str] — its parts between separators, counted from the end
str.rstrip(cutset: str = " ") -> str — without white space, or these characters, at its end
str.split(separator: str = None, max: int = -1) -> list[str] — its parts between separators; between white space without one
str.splitlines(keepends: bool = False) -> list[str] — its lines
str.startswith(prefix: str | tuple) -> bool — whether it begins so
str.strip(cutset: str = " ") -> str — without white space, or these characters, at both ends
str.title() -> str — with a capital at the beginning of each word
str.upper() -> str — in upper case
list.append(item) — adds an item at the end
list.clear() — removes all items
list.extend(items) — adds the items at the end
list.index(item, start: int = 0, end: int = None) -> int — where the item is first; an error for nowhere
list.insert(index: int, item) — adds an item before the one at index
list.pop(index: int = -1) -> any — removes the item at index and gives it
list.remove(item) — removes the first item that is equal
dict.clear() — removes all entries
dict.get(key, default = None) -> any — the value of a key, else the default
dict.items() -> list[tuple] — pairs of keys and values
dict.keys() -> list — the keys, in the order they were added
dict.pop(key, default) -> any — removes a key and gives its value, else the default
dict.popitem() -> tuple — removes the first entry and gives its key and value
dict.setdefault(key, default = None) -> any — the value of a key, which becomes the default if there is none
dict.update(pairs, **kwargs) — adds pairs, and names with their values
dict.values() -> list — the values, in the order of their keys
set.add(item) — adds an item
set.clear() — removes all items
set.difference(*others) -> set — the items that none of the others has
set.discard(item) — removes an item, if it is there
set.intersection(*others) -> set — the items that all of the others have, too
set.issubset(other) -> bool — whether the other has all of its items
set.issuperset(other) -> bool — whether it has all items of the other
set.pop() -> any — removes the first item and gives it
set.remove(item) — removes an item; an error if it is not there
set.symmetric_difference(other) -> set — the items that only one of the two has
set.update(*others) — adds the items of all
set.union(*others) -> set — the items of all
bytes.elems() -> any — its bytes, one after the other, as numbers
`

// languageFunction is what is said of a function of the language or the host; ok is false when it says
// nothing.
func languageFunction(name string) (f Function, ok bool) {
	f, ok = languageTable()[name]
	f.Params = slices.Clone(f.Params)
	return f, ok
}

// languageTable is read once, by who needs it first.
var languageTable = sync.OnceValue(func() map[string]Function {
	all := make(map[string]Function)
	for _, f := range Control() {
		all[f.Name] = f
	}
	var text strings.Builder
	var names, docs []string
	for line := range strings.Lines(strings.TrimSpace(languageDocs)) {
		head, doc, _ := strings.Cut(strings.TrimSpace(line), " — ")
		name, rest, _ := strings.Cut(head, "(")
		names, docs = append(names, name), append(docs, doc)
		text.WriteString("def f(" + rest + ":\n    pass\n") // a signature is a header without a body
	}
	for i, f := range Outline([]byte(text.String())) {
		f.Name = names[i]
		f.Summary = strings.ToUpper(docs[i][:1]) + docs[i][1:] + "."
		f.Doc = f.Summary
		all[names[i]] = f
	}
	return all
})

// reserved are the words that are no names.
var reserved = []string{
	"and", "break", "continue", "def", "elif", "else", "for", "if", "in", "lambda", "load", "not", "or", "pass", "return", "while",
	// of no use to anybody, and refused by the parser
	"as", "async", "await", "class", "del", "except", "finally", "from", "global", "import", "is", "nonlocal", "raise", "try", "with", "yield",
}

// beginnings are the keywords that a statement may begin with, and words those
// that stand inside of expressions.
var (
	beginnings = []string{"def", "if", "elif", "else", "for", "while", "return", "pass", "break", "continue", "load"}
	words      = []string{"and", "or", "not", "in", "if", "else", "for", "lambda"}
	constants  = []string{"None", "True", "False"}
)
