package simmer

/**
 * ```
 * IDLE ──▶ SUBMITTING ──▶ POLLING ──▶ COMPLETED | FAILED | CANCELLED
 *               └── answered before ──▶ COMPLETED
 * ```
 * [POLLING] means that the server has the job; also while it is pushed.
 */
enum class State {
    IDLE, SUBMITTING, POLLING, COMPLETED, FAILED, CANCELLED;

    val isTerminal get() = this == COMPLETED || this == FAILED || this == CANCELLED
}

/**
 * One moment of a job. [progress] is 0 to 100 and never below that of an earlier update; no part goes away.
 * Serializable, as errors that hold one are: they cross to another process of the app, or into a `Bundle`.
 */
data class Update(
    val task: String,
    /** Null until the server has accepted the job. Keep it: `resume` goes on with it. */
    val jobId: String? = null,
    val state: State = State.IDLE,
    val progress: Int = 0,
    /** `queued`, `analyzing`, `generating`, `done`, or empty. */
    val stage: String = "",
    /** For the user, in the request's language. */
    val message: String = "",
    val estimatedSecondsRemaining: Int? = null,
    /** Whether past jobs tell that; else it is a guess. */
    val estimateIsMeasured: Boolean = false,
    /** Completed: the task's JSON, as [Json.parse] gives it. */
    val result: Any? = null,
    /** Of an answer in parts: a title for each, in the order of the result; empty until it is known. */
    val outline: List<OutlineEntry> = emptyList(),
    /** Open or failed: the result with the parts that are there, as [Json.parse] gives it. */
    val partialResult: Map<String, Any?>? = null,
    /** Completed without any work: it was answered before. */
    val cached: Boolean = false,
    /** Failed: a sentence for the user. */
    val error: String? = null,
    val errorCode: String? = null,
    val retryable: Boolean = false,
    /** Cancelled for this user alone: others wait for the job, and it goes on. */
    val goesOn: Boolean = false,
) : java.io.Serializable

/** One complaint about one field: [field] is a dotted path, empty for the whole body. */
data class FieldError(val field: String, val message: String) : java.io.Serializable

/**
 * Whatever ended a wait. [code] is stable and for programs; [job] is the job as it was last seen.
 * None holds a token. None is a `CancellationException`, so none ends a coroutine without a word.
 */
sealed class SimmerException(message: String, val code: String, val job: Update) : Exception(message) {
    /** Whether to try again may help. */
    open val retryable: Boolean get() = true
}

/** The job ended without a result. The message is the server's sentence for the user. */
class JobFailed(job: Update) : SimmerException(job.error ?: "The job failed.", job.errorCode ?: "internal", job) {
    override val retryable get() = job.retryable
}

/** The job was cancelled, or left ([goesOn]), by whoever. */
class JobCancelled(job: Update) : SimmerException(
    if (job.goesOn) "The job was left, and goes on for others who wait for it." else "The job was cancelled.",
    "cancelled",
    job,
) {
    val goesOn get() = job.goesOn
    override val retryable get() = false
}

/** The API, or its gateway, said no; [status] is the HTTP status. */
class RequestRefused(
    message: String,
    code: String,
    job: Update,
    val status: Int,
    val errors: List<FieldError>,
    override val retryable: Boolean,
) : SimmerException(message, code, job)

/** No answer of the API's own came, however often it was asked: a login page, a proxy. */
class MalformedAnswer(message: String, job: Update) : SimmerException(message, "malformed_answer", job)

/** No answer, however often it was asked. */
class Unreachable(message: String, job: Update) : SimmerException(message, "unreachable", job)

/** Still open at the last look. The job may go on: `resume` its id. */
class DeadlineExceeded(job: Update) :
    SimmerException("The job has not ended within the time for it.", "client_deadline", job)
