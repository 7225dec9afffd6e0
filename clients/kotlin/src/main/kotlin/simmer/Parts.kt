package simmer

/** A part of the answer that is to come, or, if [isReady], one that was validated. */
data class OutlineEntry(val title: String, val isReady: Boolean) : java.io.Serializable

/** One part: its [position] in the outline, from 0, and the JSON that will be in the result. */
data class Part(val position: Int, val title: String, val value: Any?) : java.io.Serializable

/**
 * What is known of the parts of one run, which began at [runAt]: the titles of all, in the order of the
 * result, and those parts that are there. It only grows: a late document takes nothing away.
 */
internal class Parts(
    val outline: List<OutlineEntry> = emptyList(),
    private val values: Map<Int, Any?> = emptyMap(),
    private val listName: String? = null,
    val runAt: Double? = null,
) {
    /** Of the result's own type; null without a part. */
    val partialResult: Map<String, Any?>? get() = listName?.let { mapOf(it to values.toSortedMap().values.toList()) }

    /** Whether a part is ready that was not seen: it was too large for a frame. */
    val lacksSome get() = outline.indices.any { outline[it].isReady && it !in values }

    /** The parts that are known, in their order; with a [result], all of them. */
    fun all(result: Any?): List<Part> {
        val known = if (result == null) values else listOf(result, outline.size).second.withIndex().associate { it.index to it.value }
        return known.toSortedMap().map { (at, value) -> Part(at, outline[at].title, value) }
    }

    /** Of an earlier run [other] says nothing, of a later run all; of this run the titles never change. */
    fun grownBy(other: Parts): Parts {
        if (runAt != null && other.runAt != null && runAt != other.runAt) return if (other.runAt > runAt) other else this
        val run = runAt ?: other.runAt
        if (outline.isEmpty()) return Parts(other.outline, other.values, other.listName, run)
        if (outline.map { it.title } != other.outline.map { it.title }) return Parts(outline, values, listName, run)
        val name = listName ?: other.listName
        return Parts(
            outline.zip(other.outline) { one, another -> if (one.isReady) one else another },
            if (other.listName == name) other.values + values else values, // what was shown never changes
            name,
            run,
        )
    }
}

/** Of a status document. What is not as promised is as good as absent. */
internal fun partsOf(fields: Map<*, *>, runAt: Double?): Parts {
    val outline = outlineOf(fields["outline"])
    val ready = outline.indices.filter { outline[it].isReady }
    val (name, values) = listOf(fields["partialResult"], ready.size)
    return Parts(outline, if (name == null) emptyMap() else ready.zip(values).toMap(), name, runAt)
}

/** Empty for what is none: what is half right cannot be placed. */
private fun outlineOf(value: Any?): List<OutlineEntry> {
    val entries = (value as? List<*>).orEmpty().map { each ->
        val title = (each as? Map<*, *>)?.get("title") as? String
        val state = each?.let { (it as? Map<*, *>)?.get("state") }
        if (title.isNullOrEmpty() || state !in listOf("waiting", "ready")) return emptyList()
        OutlineEntry(title, state == "ready")
    }
    return entries
}

/** The name and the elements of the one list of that length; none if there is no such one. */
private fun listOf(result: Any?, count: Int): Pair<String?, List<Any?>> {
    val lists = (result as? Map<*, *>).orEmpty().entries.filter { count > 0 && (it.value as? List<*>)?.size == count }
    val (name, elements) = lists.singleOrNull() ?: return null to emptyList()
    return name as String to elements as List<*>
}
