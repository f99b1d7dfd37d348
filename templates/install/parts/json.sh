# Reads JSON and prints a line "path<TAB>value" for each value and "path.length<TAB>n" for each list. No tool that
# reads JSON can be expected on a machine. Control characters turn into blanks: sentences from here go to a terminal.
flatten_json() {
    LC_ALL=C awk '
    function next_character() { sub(/^[ \t\r\n]+/, "", text); return substr(text, 1, 1) }
    function skip(count) { text = substr(text, count + 1) }
    function expect(character) { if (next_character() != character) exit 1; skip(1) }
    function show(path, found) {
        gsub(/\302[\200-\237]/, " ", found)
        gsub(/[\001-\037\177]/, " ", found)
        print path "\t" found
    }
    function code_point(digits,    i, number) {
        number = 0
        for (i = 1; i <= 4; i++) number = number * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
        return number
    }
    function escape(    letter, number) {
        letter = substr(text, 2, 1)
        if (letter != "u") { skip(2); return letter ~ /[\/"\\]/ ? letter : " " }
        number = code_point(substr(text, 3, 4))
        skip(6)
        if (number < 32) return " "
        return number < 127 ? sprintf("%c", number) : "?"
    }
    function string(    result, end) {
        expect("\"")
        result = ""
        while ((end = match(text, /["\\]/)) > 0) {
            result = result substr(text, 1, end - 1)
            skip(end - 1)
            if (substr(text, 1, 1) == "\"") { skip(1); return result }
            result = result escape()
        }
        exit 1
    }
    function object(path,    key) {
        expect("{")
        if (next_character() == "}") { skip(1); return }
        do {
            key = string()
            expect(":")
            value(path == "" ? key : path "." key)
        } while (another("}"))
    }
    function list(path,    count) {
        expect("[")
        count = 0
        if (next_character() == "]") skip(1)
        else do value(path "." count++); while (another("]"))
        show(path ".length", count)
    }
    function another(closing) {
        if (next_character() == ",") { skip(1); return 1 }
        expect(closing)
        return 0
    }
    function value(path,    first) {
        first = next_character()
        if (first == "{") object(path)
        else if (first == "[") list(path)
        else if (first == "\"") show(path, string())
        else if (match(text, /^[-+.0-9A-Za-z]+/)) { show(path, substr(text, 1, RLENGTH)); skip(RLENGTH) }
        else exit 1
    }
    { text = text $0 "\n" }
    END { value(""); if (next_character() != "") exit 1 }
    '
}

# Printable ASCII is all that is ever sent, so only these two need a backslash.
json_text() {
    printf '%s' "$1" | tr -cd '\040-\176' | sed 's/[\\"]/\\&/g'
}
