package simmer

/** One HTTP answer; the names of [headers] are in lower case. */
class Answer(val status: Int, val headers: Map<String, String>, val body: String)

/** Where a job's end is told by itself. */
internal class PushOffer(val url: String, val token: String)

/** How long a job may run on, in two readings of `deadlineAt`; null: this one cannot be had. */
internal class Deadline(val byDateSeconds: Double? = null, val byCreationSeconds: Double? = null)

/**
 * What an update will have so long after its frame if nothing new comes of the job. Null: what it had before.
 */
internal class Ahead(
    val afterSeconds: Double,
    val progress: Int,
    private val estimatedSecondsRemaining: Int?,
    private val stage: String?,
    private val message: String?,
) {
    fun after(update: Update) = update.copy(
        progress = progress,
        estimatedSecondsRemaining = estimatedSecondsRemaining ?: update.estimatedSecondsRemaining,
        stage = stage ?: update.stage,
        message = message ?: update.message,
    )
}

/** A status document: the update it means, and when the server wants to be asked again. */
internal class Document(
    val update: Update,
    val pollAfterSeconds: Double?,
    val deadline: Deadline,
    val parts: Parts,
    val askAfterSeconds: Double? = null, // of a frame, as the next one
    val ahead: List<Ahead> = emptyList(), // in the order of their times
) {
    val lacksResult get() = update.state == State.COMPLETED && update.result == null
}

internal class Submitted(val update: Update, val offer: PushOffer?, val deadline: Deadline)

/** Not what the server promises; the message says what, and quotes nothing. */
internal class Malformed(message: String) : Exception(message)

private const val LONGEST_JOB_SECONDS = 86_400.0 // a `deadlineAt` further away is no deadline
private val ASK_AFTER_MS = 1000.0..60_000.0 // another `askAfterMs` makes no sense

private val STATES = mapOf(
    "pending" to State.POLLING,
    "processing" to State.POLLING,
    "completed" to State.COMPLETED,
    "failed" to State.FAILED,
    "cancelled" to State.CANCELLED,
)

internal fun readSubmitted(answer: Answer, task: String): Submitted {
    val fields = objectOf(answer.body) ?: throw Malformed("it is no JSON object")
    val jobId = text(fields["jobId"]) ?: throw Malformed("it names no job")
    if (answer.status == 200) {
        if (fields["status"] != "completed") throw Malformed("its status is unknown")
        val result = fields["result"] ?: throw Malformed("it is completed and has no result")
        val update = Update(
            task, jobId, State.COMPLETED, progress = 100, message = text(fields["message"]).orEmpty(), stage = "done", result = result, cached = true,
        )
        return Submitted(update, null, Deadline())
    }
    if (fields["status"] != "submitted") throw Malformed("its status is unknown")
    val update = Update(task, jobId, State.POLLING, message = text(fields["message"]).orEmpty())
    return Submitted(update, offerOf(fields["push"]), deadlineOf(fields, answer.headers))
}

/** What cannot be understood is no offer: polling is always there. */
private fun offerOf(push: Any?): PushOffer? {
    val fields = push as? Map<*, *> ?: return null
    return PushOffer(text(fields["url"]) ?: return null, text(fields["token"]) ?: return null)
}

/** A status document of that job; it may lack the result, see [Document.lacksResult]. */
internal fun readStatus(body: String, task: String, jobId: String, headers: Map<String, String>): Document {
    val fields = objectOf(body) ?: throw Malformed("it is no JSON object")
    if (fields["jobId"] != jobId) throw Malformed("it is not about this job")
    val state = STATES[fields["status"]] ?: throw Malformed("its status is unknown")
    val progress = number(fields["progress"]) ?: throw Malformed("its progress is no number")
    if ((fields["message"] ?: "") !is String) throw Malformed("its message is no text")
    val isFailed = state == State.FAILED
    val update = Update(
        task = task,
        jobId = jobId,
        state = state,
        progress = barOf(progress),
        stage = text(fields["stage"]).orEmpty(),
        message = text(fields["message"]).orEmpty(),
        estimatedSecondsRemaining = number(fields["estimatedSecondsRemaining"])?.toInt(),
        estimateIsMeasured = fields["estimateIsMeasured"] == true,
        result = if (state == State.COMPLETED) fields["result"] else null,
        error = if (isFailed) text(fields["error"]) else null,
        errorCode = if (isFailed) text(fields["errorCode"]) else null,
        retryable = isFailed && fields["retryable"] == true,
    )
    val pollAfterMs = number(fields["pollAfterMs"])?.takeIf { it > 0 }
    val parts = partsOf(fields, isoSeconds(fields["createdAt"]))
    val askAfterMs = number(fields["askAfterMs"])?.takeIf { it in ASK_AFTER_MS }
    return Document(
        update, pollAfterMs?.div(1000), deadlineOf(fields, headers), parts, askAfterMs?.div(1000), aheadOf(fields["ahead"]),
    )
}

/** The entries that can be understood, with what can be understood of them. */
private fun aheadOf(entries: Any?): List<Ahead> = (entries as? List<*>).orEmpty().mapNotNull { entry ->
    val fields = entry as? Map<*, *> ?: return@mapNotNull null
    val afterMs = number(fields["afterMs"])?.takeIf { it > 0 } ?: return@mapNotNull null
    val progress = number(fields["progress"]) ?: return@mapNotNull null
    Ahead(
        afterMs / 1000,
        barOf(progress),
        number(fields["estimatedSecondsRemaining"])?.toInt(),
        fields["stage"] as? String,
        fields["message"] as? String,
    )
}.sortedBy { it.afterSeconds }

private fun barOf(progress: Double) = progress.coerceIn(0.0, 100.0).toInt()

/** The phone's time of day has no part in it: it may be wrong, and it may jump. */
private fun deadlineOf(fields: Map<*, *>, headers: Map<String, String>): Deadline {
    val until = isoSeconds(fields["deadlineAt"])
    return Deadline(
        byDateSeconds = between(httpDateSeconds(headers["date"]), until),
        byCreationSeconds = between(isoSeconds(fields["createdAt"]), until),
    )
}

/** Null where it makes no sense of a job that is open. */
private fun between(start: Double?, end: Double?): Double? =
    if (start == null || end == null) null else (end - start).takeIf { it > 0 && it <= LONGEST_JOB_SECONDS }

/** Whether a 4xx is the API's own, or its gateway's: proxies and login pages have theirs. */
internal fun isRefusal(answer: Answer): Boolean {
    val fields = objectOf(answer.body) ?: return false
    return listOf("code", "title", "detail", "message").any { text(fields[it]) != null }
}

private val GATEWAY_CODES =
    mapOf(401 to "unauthorized", 403 to "forbidden", 404 to "not_found", 429 to "too_many_requests")

internal fun readProblem(answer: Answer, job: Update, retryable: Boolean): RequestRefused {
    val fields = objectOf(answer.body).orEmpty()
    val words = listOf("detail", "title", "message").firstNotNullOfOrNull { text(fields[it]) }
    val errors = (fields["errors"] as? List<*>).orEmpty().mapNotNull { each ->
        val error = each as? Map<*, *>
        val field = error?.get("field") as? String
        text(error?.get("message"))?.let { message -> field?.let { FieldError(it, message) } }
    }
    return RequestRefused(
        message = words ?: "The server answered with HTTP status ${answer.status}.",
        code = text(fields["code"]) ?: GATEWAY_CODES[answer.status] ?: "http_${answer.status}",
        job = job,
        status = answer.status,
        errors = errors,
        retryable = retryable,
    )
}

/** `Retry-After`, in either of its forms; a date is taken by the server's own clock. */
internal fun retryAfterSeconds(headers: Map<String, String>): Double? {
    val value = headers["retry-after"]?.trim().orEmpty()
    if (value.length in 1..9 && value.all { it in '0'..'9' }) return value.toDouble()
    val until = httpDateSeconds(value) ?: return null
    val now = httpDateSeconds(headers["date"]) ?: return null
    return maxOf(until - now, 0.0)
}

private fun objectOf(body: String): Map<*, *>? = try {
    Json.parse(body) as? Map<*, *>
} catch (error: JsonException) {
    null
}

private fun text(value: Any?): String? = (value as? String)?.ifEmpty { null }

private fun number(value: Any?): Double? = (value as? Number)?.toDouble()

// ── Times, as seconds since 1970. java.time is not on every Android, SimpleDateFormat forgives. ──

private val ISO = Regex("(\\d{4})-(\\d\\d)-(\\d\\d)T(\\d\\d):(\\d\\d):(\\d\\d)(\\.\\d{1,9})?Z")
private val HTTP_DATE = Regex("[A-Z][a-z]{2}, (\\d\\d) ([A-Z][a-z]{2}) (\\d{4}) (\\d\\d):(\\d\\d):(\\d\\d) GMT")
private const val MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"

private fun isoSeconds(value: Any?): Double? {
    val parts = ISO.matchEntire(value as? String ?: return null)?.groupValues ?: return null
    val whole = seconds(parts[1], parts[2].toInt(), parts[3], parts.subList(4, 7)) ?: return null
    return whole + (parts[7].ifEmpty { "0" }).toDouble()
}

private fun httpDateSeconds(value: String?): Double? {
    val parts = HTTP_DATE.matchEntire(value?.trim() ?: return null)?.groupValues ?: return null
    val month = MONTHS.indexOf(parts[2]).takeIf { it >= 0 && it % 3 == 0 } ?: return null
    return seconds(parts[3], month / 3 + 1, parts[1], parts.subList(4, 7))
}

private fun seconds(yearText: String, month: Int, dayText: String, time: List<String>): Double? {
    val (hour, minute, second) = time.map { it.toInt() }
    val day = dayText.toInt()
    if (month !in 1..12 || day !in 1..31 || hour > 23 || minute > 59 || second > 60) return null
    // Days from the civil calendar, years beginning in March (Howard Hinnant, date algorithms).
    val year = yearText.toInt() - if (month <= 2) 1 else 0
    val dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    val days = year * 365L + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
    return days * 86_400.0 + hour * 3600 + minute * 60 + second
}
