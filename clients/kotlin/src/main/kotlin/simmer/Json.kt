package simmer

/**
 * JSON, read strictly (RFC 8259) and written.
 *
 * Not `org.json`: only Android brings it, and it takes single quotes, comments and bare words for
 * JSON, so that what a login page says could pass for an answer.
 */
object Json {
    /** An object is a [Map], an array a [List], a number a [Long] or [Double]; null is null. */
    fun parse(text: String): Any? {
        val reader = Reader(text)
        return reader.document()
    }

    /** Maps, lists, texts, numbers and booleans as JSON; a null in a map is left out. */
    fun write(value: Any?): String = StringBuilder().also { write(value, it) }.toString()

    private fun write(value: Any?, out: StringBuilder) {
        when (value) {
            null, is Boolean, is Int, is Long, is Short, is Byte -> out.append(value)
            is Double, is Float -> {
                require((value as Number).toDouble().isFinite()) { "JSON has no such number" }
                out.append(value)
            }
            is CharSequence -> writeText(value, out)
            is Map<*, *> -> {
                val fields = value.entries.filter { it.value != null }
                fields.joinTo(out, ",", "{", "}") { (name, field) -> write(name as String) + ":" + write(field) }
            }
            is Iterable<*> -> value.joinTo(out, ",", "[", "]") { write(it) }
            is Array<*> -> write(value.asList(), out)
            else -> throw IllegalArgumentException("not JSON: ${value.javaClass.name}")
        }
    }

    private fun writeText(text: CharSequence, out: StringBuilder) {
        out.append('"')
        for (char in text) {
            when {
                char == '"' || char == '\\' -> out.append('\\').append(char)
                char < ' ' || char.isSurrogate() -> out.append("\\u").append(char.code.toString(16).padStart(4, '0'))
                else -> out.append(char)
            }
        }
        out.append('"')
    }
}

/** What was read is not JSON. The message quotes nothing. */
class JsonException(message: String) : Exception(message)

private const val DEEPEST = 200 // a stack is not endless

private class Reader(private val text: String) {
    private var at = 0

    fun document(): Any? {
        val value = value(0)
        blank()
        if (at < text.length) fail()
        return value
    }

    private fun fail(): Nothing = throw JsonException("not JSON at character $at")

    private fun blank() {
        while (at < text.length && text[at] in " \t\r\n") at++
    }

    private fun take(char: Char): Boolean {
        blank()
        val isThere = at < text.length && text[at] == char
        if (isThere) at++
        return isThere
    }

    private fun value(depth: Int): Any? {
        if (depth > DEEPEST) fail()
        blank()
        if (at >= text.length) fail()
        return when (text[at]) {
            '{' -> fields(depth)
            '[' -> elements(depth)
            '"' -> text()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }
    }

    private fun <T> word(word: String, value: T): T {
        if (!text.startsWith(word, at)) fail()
        at += word.length
        return value
    }

    private fun fields(depth: Int): Map<String, Any?> {
        val found = LinkedHashMap<String, Any?>()
        at++
        if (take('}')) return found
        do {
            blank()
            if (at >= text.length || text[at] != '"') fail()
            val name = text()
            if (!take(':')) fail()
            found[name] = value(depth + 1)
        } while (take(','))
        if (!take('}')) fail()
        return found
    }

    private fun elements(depth: Int): List<Any?> {
        val found = ArrayList<Any?>()
        at++
        if (take(']')) return found
        do found.add(value(depth + 1)) while (take(','))
        if (!take(']')) fail()
        return found
    }

    private fun text(): String {
        val out = StringBuilder()
        at++
        while (true) {
            if (at >= text.length) fail()
            val char = text[at++]
            when {
                char == '"' -> return out.toString()
                char < ' ' -> fail()
                char != '\\' -> out.append(char)
                else -> out.append(escaped())
            }
        }
    }

    private fun escaped(): Char {
        if (at >= text.length) fail()
        return when (val char = text[at++]) {
            '"', '\\', '/' -> char
            'b' -> '\b'
            'f' -> '\u000c'
            'n' -> '\n'
            'r' -> '\r'
            't' -> '\t'
            'u' -> {
                val digits = text.substring(at, minOf(at + 4, text.length))
                if (digits.length < 4 || !digits.all { it in "0123456789abcdefABCDEF" }) fail()
                at += 4
                digits.toInt(16).toChar()
            }
            else -> fail()
        }
    }

    private fun number(): Number {
        val match = NUMBER.find(text, at)
        if (match == null || match.range.first != at) fail()
        at = match.range.last + 1
        val digits = match.value
        if (digits.none { it in ".eE" }) digits.toLongOrNull()?.let { return it }
        val number = digits.toDouble()
        return if (number.isFinite()) number else fail()
    }

    private companion object {
        val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")
    }
}
