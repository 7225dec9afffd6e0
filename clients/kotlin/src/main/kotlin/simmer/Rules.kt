package simmer

import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow

/** What the rules want done: they know no network and no time of their own. */
internal interface World {
    /** Counts from some moment, and never jumps. */
    fun nowSeconds(): Double

    /** From 0 to 1. */
    fun chance(): Double

    /** The answer, or null when there was none; [NO_TOKEN] when a new token is not to be had. */
    suspend fun call(call: Call): Answer?

    /** May be cut short once the job has ended. */
    suspend fun sleep(seconds: Double)

    /** Whether the socket is open. */
    suspend fun connect(url: String, withinSeconds: Double): Boolean

    /** Whether it could be sent. */
    suspend fun send(text: String): Boolean

    suspend fun receive(withinSeconds: Double): Frame

    fun disconnect()
}

internal class Call(
    val method: String,
    val path: String,
    val timeoutSeconds: Double,
    val headers: Map<String, String>,
    val body: String?,
    val renewToken: Boolean, // the last one was refused
)

internal sealed interface Frame {
    class Text(val text: String) : Frame
    object Silence : Frame
    object Lost : Frame
}

/** One operation: when it began, and the caller's own limit, if there is one. */
internal class Wait(val beganAt: Double, val limitSeconds: Double?)

private class Ended : Exception()

private const val REQUEST_TIMEOUT = 15.0
private const val DEFAULT_POLL = 2.0
private const val SHORTEST_POLL = 0.25
private const val LONGEST_POLL = 30.0
private const val RESUBSCRIBE = 10.0 // where the server does not say
private const val ANSWER_WITHIN = 5.0 // a socket that is silent for longer is dead
private const val LONGEST_BACKOFF = 10.0
private const val TRIES = 5 // of a single request; a wait tries until its deadline
private const val LONGEST_RETRY_AFTER = 30.0 // of a single request: past this it is refused
private const val DEFAULT_DEADLINE = 330.0
private const val GRACE = 30.0 // for a network that is away just at the deadline

/** One job and the rules for it, as docs/client-rules.md has them. */
internal class Following(
    task: String,
    jobId: String?,
    private val body: String,
    private val idempotencyKey: String?,
    private val isSecure: Boolean,
    private val usesPush: Boolean,
    private val deadlineSeconds: Double?,
    private val world: World,
) {
    @Volatile
    var update = Update(task, jobId, if (jobId == null) State.IDLE else State.POLLING)
        private set
    private var parts = Parts()
    private val handed = mutableSetOf<Int>() // the positions of parts that were given to the caller
    private var offer: PushOffer? = null
    private var knownAt: Double? = null // when the server first said something of the job
    private var until: Double? = null // when to give up, by the server's own deadline

    private val isOpen get() = !update.state.isTerminal

    /** Submit the job, unless that is done, and show every change; the terminal one last. */
    suspend fun follow(show: suspend (Update) -> Unit) {
        unlessEnded { follow(begin(), show) }
        show(update)
    }

    suspend fun submit() {
        if (isOpen && update.jobId == null) unlessEnded { submit(begin()) {} }
    }

    suspend fun get() {
        if (isOpen && update.jobId != null) unlessEnded { take(status(begin(), isWait = false)) }
    }

    /** Cancel the job, or leave it to the others who wait for it; unless it has ended. */
    suspend fun cancel() {
        if (!isOpen) return
        if (update.jobId == null) return leave() // if it is being sent, `submit` sees to it
        unlessEnded { cancel(begin(), TRIES) }
    }

    /** The completed job, or the error it ended with. */
    fun outcome(): Update = when (update.state) {
        State.FAILED -> throw JobFailed(update)
        State.CANCELLED -> throw JobCancelled(update)
        else -> update
    }

    /** The parts that are known and were not given before. */
    fun newParts(): Sequence<Part> = synchronized(this) {
        if (update.state == State.CANCELLED) return emptySequence() // nobody wants them
        parts.all(update.result).asSequence().filter { handed.add(it.position) }
    }

    // ── What is known ────────────────────────────────────────────────────────────────────────────

    /**
     * Believe it, unless the job has ended; the bar never goes back, and no part goes away. A cancel
     * may come from anywhere.
     */
    private fun take(next: Update, said: Parts = Parts()) = synchronized(this) {
        if (!isOpen) return@synchronized
        val before = parts.runAt
        parts = parts.grownBy(said)
        if (before != null && before != parts.runAt) handed.clear() // another run
        val isPartial = next.state != State.COMPLETED && next.state != State.CANCELLED
        update = next.copy(
            progress = max(update.progress, next.progress),
            outline = if (next.state == State.COMPLETED) parts.outline.map { it.copy(isReady = true) } else parts.outline,
            partialResult = parts.partialResult.takeIf { isPartial },
        )
    }

    private fun take(document: Document) {
        heed(document.deadline)
        take(document.update, document.parts)
    }

    private fun take(entry: Ahead) = synchronized(this) { take(entry.after(update)) }

    private fun leave(goesOn: Boolean = false) = take(
        update.copy(state = State.CANCELLED, stage = "done", message = "", estimatedSecondsRemaining = 0, goesOn = goesOn),
    )

    private suspend fun showOpen(show: suspend (Update) -> Unit) {
        val seen = update
        if (!seen.state.isTerminal) show(seen)
    }

    private suspend fun unlessEnded(steps: suspend () -> Unit) {
        try {
            steps()
        } catch (ended: Ended) {
            // From another side, so what was under way does not matter any more.
        }
    }

    private fun mustBeOpen() {
        if (!isOpen) throw Ended()
    }

    // ── The order of things ──────────────────────────────────────────────────────────────────────

    private suspend fun follow(wait: Wait, show: suspend (Update) -> Unit) {
        if (isOpen && update.jobId == null) submit(wait, show)
        showOpen(show)
        val offered = offer
        offer = null // what failed once is not tried again
        if (offered != null && isOpen) {
            try {
                listen(offered, wait, show)
            } finally {
                world.disconnect()
            }
        }
        while (isOpen) { // a deadline never strikes before a last look
            val document = status(wait, isWait = true)
            take(document)
            if (!isOpen) break
            showOpen(show)
            val left = left(wait)
            if (left <= 0) throw DeadlineExceeded(update)
            val pause = (document.pollAfterSeconds ?: DEFAULT_POLL).coerceIn(SHORTEST_POLL, LONGEST_POLL)
            world.sleep(min(pause, left))
            mustBeOpen()
        }
    }

    private suspend fun submit(wait: Wait, show: suspend (Update) -> Unit) {
        val before = update
        take(before.copy(state = State.SUBMITTING))
        showOpen(show)
        val headers = mapOf("Content-Type" to "application/json") +
            listOfNotNull(idempotencyKey?.let { "Idempotency-Key" to it })
        val submitted = try {
            request("POST", "generate", wait, TRIES, headers, body) { readSubmitted(it, before.task) }
        } catch (error: SimmerException) {
            take(before)
            throw error
        }
        heed(submitted.deadline)
        take(submitted.update)
        if (update.jobId == null && !submitted.update.state.isTerminal) {
            // It was left while it was being sent; now that it has a name, it can be cancelled.
            update = update.copy(jobId = submitted.update.jobId)
            try {
                cancel(wait, tries = 1)
            } catch (error: Exception) { // nobody waits for it
                if (error !is SimmerException && error !is Ended) throw error
            }
        }
        if (usesPush) offer = submitted.offer?.takeIf { isSafe(it.url) }
    }

    private fun isSafe(url: String) = url.startsWith("wss://") || (url.startsWith("ws://") && !isSecure)

    private suspend fun cancel(wait: Wait, tries: Int) {
        val document = request("POST", "cancel", wait, tries) { readWhole(it) }
        take(document.update, document.parts)
        leave(goesOn = true) // still open: others wait for it, we do not
    }

    // ── Push ─────────────────────────────────────────────────────────────────────────────────────

    /** Follow the job over a socket until it has ended or the socket is not to be trusted. */
    private suspend fun listen(offer: PushOffer, wait: Wait, show: suspend (Update) -> Unit) {
        val patience = min(ANSWER_WITHIN, left(wait))
        if (patience <= 0 || !world.connect(offer.url, patience)) return
        val subscribe = Json.write(mapOf("action" to "subscribe", "jobId" to update.jobId, "token" to offer.token))
        var ifQueued = 1.0 // nobody tells when a job's turn comes
        do {
            mustBeOpen()
            if (!world.send(subscribe)) return
            val isTrusted = hear(ifQueued, wait, show)
            ifQueued *= 2
        } while (isTrusted)
    }

    /**
     * Take what comes until it is time to subscribe again, and show meanwhile what is ahead. False if it has to
     * be polled.
     */
    private suspend fun hear(ifQueued: Double, wait: Wait, show: suspend (Update) -> Unit): Boolean {
        var askAt = world.nowSeconds() + ANSWER_WITHIN
        val ahead = ArrayDeque<Pair<Double, Ahead>>() // when to show it, the next one first
        var answered = false
        while (true) {
            val now = world.nowSeconds()
            val left = left(wait)
            if (left <= 0) return false // the last look is a poll
            val next = ahead.firstOrNull()
            if (next != null && next.first <= now) {
                mustBeOpen()
                take(ahead.removeFirst().second)
                showOpen(show)
                continue
            }
            if (askAt <= now) return answered
            val frame = world.receive(min((next?.first ?: askAt) - now, left))
            mustBeOpen()
            if (frame is Frame.Lost) return false
            if (frame !is Frame.Text) continue
            val document = try {
                readStatus(frame.text, update.task, update.jobId.orEmpty(), emptyMap())
            } catch (malformed: Malformed) { // a problem document, or nonsense
                return false
            }
            if (document.lacksResult || lacksPartsAtEnd(document)) return false
            answered = true
            take(document)
            mustBeOpen()
            val heardAt = world.nowSeconds()
            askAt = heardAt + askAfter(document, ifQueued)
            ahead.clear()
            document.ahead.mapTo(ahead) { heardAt + it.afterSeconds to it }.removeAll { it.first >= askAt }
            showOpen(show)
            if (parts.lacksSome) fetchParts(wait, show)
        }
    }

    private fun askAfter(document: Document, ifQueued: Double): Double =
        document.askAfterSeconds ?: if (update.stage == "queued") min(ifQueued, RESUBSCRIBE) else RESUBSCRIBE

    private fun lacksPartsAtEnd(document: Document) =
        document.update.state == State.FAILED && parts.grownBy(document.parts).lacksSome

    /** Parts that were too large for a frame. If that fails, the next frame asks again. */
    private suspend fun fetchParts(wait: Wait, show: suspend (Update) -> Unit) {
        try {
            take(request("GET", "status", wait, tries = 1) { readWhole(it) })
        } catch (error: SimmerException) {
            return
        }
        mustBeOpen()
        showOpen(show)
    }

    // ── One request, as often as it takes ────────────────────────────────────────────────────────

    private suspend fun status(wait: Wait, isWait: Boolean): Document =
        request("GET", "status", wait, if (isWait) null else TRIES) { readWhole(it) }

    private fun readWhole(answer: Answer): Document {
        if (answer.status != 200) throw Malformed("it has the status ${answer.status}")
        val document = readStatus(answer.body, update.task, update.jobId.orEmpty(), answer.headers)
        if (document.lacksResult) throw Malformed("it is completed and has no result")
        val pause = document.pollAfterSeconds ?: retryAfterSeconds(answer.headers)
        return Document(document.update, pause, document.deadline, document.parts)
    }

    /** [tries] is null for a wait, which tries until its deadline. */
    private suspend fun <T> request(
        method: String,
        operation: String,
        wait: Wait,
        tries: Int?,
        headers: Map<String, String> = emptyMap(),
        body: String? = null,
        read: (Answer) -> T,
    ): T {
        val path = "/${quoted(update.task)}/$operation" +
            if (operation == "generate") "" else "/${quoted(update.jobId.orEmpty())}"
        val timeout = min(REQUEST_TIMEOUT, max(1.0, wait.limitSeconds ?: REQUEST_TIMEOUT))
        var failures = 0
        var hasNewToken = false
        var refused: Answer? = null
        while (true) {
            var answer = world.call(Call(method, path, timeout, headers, body, refused != null))
            if (answer === NO_TOKEN) answer = refused
            refused = answer?.takeIf { it.status == 401 && isRefusal(it) && !hasNewToken }
            if (refused != null) {
                hasNewToken = true
                continue
            }
            if (answer == null) hasNewToken = false // a new one may not have come
            val error = try {
                return judged(answer, read)
            } catch (malformed: Malformed) {
                MalformedAnswer("The answer to $method $operation is not Simmer's: ${malformed.message}.", update)
            } catch (again: Again) {
                again.error
            }
            mustBeOpen()
            failures += 1
            val asked = answer?.takeIf { it.status >= 400 && isRefusal(it) }?.let { retryAfterSeconds(it.headers) } ?: 0.0
            val pause = max(asked, backoff(failures))
            val left = if (tries == null) left(wait) else limitOf(wait) - world.nowSeconds()
            val isEnough =
                if (tries == null) left <= 0 else failures >= tries || pause >= left || asked > LONGEST_RETRY_AFTER
            if (isEnough) throw error
            world.sleep(min(pause, left))
            mustBeOpen()
        }
    }

    private class Again(val error: SimmerException) : Exception()

    private fun <T> judged(answer: Answer?, read: (Answer) -> T): T {
        if (answer == null) throw Again(Unreachable("The server did not answer.", update))
        if (answer.status >= 400) {
            val isOfTheMoment = answer.status in listOf(408, 425, 429) || answer.status >= 500
            val isPassing = isOfTheMoment || !isRefusal(answer)
            val problem = readProblem(answer, update, isPassing)
            throw if (isPassing) Again(problem) else problem
        }
        if (answer.status != 200 && answer.status != 202) throw Malformed("it has the status ${answer.status}")
        return read(answer)
    }

    /** Doubling, the upper half of it by chance: clients that failed together come apart. */
    private fun backoff(failures: Int): Double =
        min(2.0.pow(min(failures - 1, 30)), LONGEST_BACKOFF) * (1 + world.chance()) / 2

    // ── Time ─────────────────────────────────────────────────────────────────────────────────────

    private fun begin() = Wait(world.nowSeconds(), deadlineSeconds)

    private fun limitOf(wait: Wait) = wait.beganAt + (wait.limitSeconds ?: DEFAULT_DEADLINE)

    private fun left(wait: Wait): Double {
        val giveUpAt = until?.takeIf { wait.limitSeconds == null } ?: limitOf(wait)
        return giveUpAt - world.nowSeconds()
    }

    /** A wrong `Date` may bring a moment too early, so the latest holds; see docs/client-rules.md. */
    private fun heed(deadline: Deadline) {
        val now = world.nowSeconds()
        val known = knownAt ?: now.also { knownAt = it }
        val moments = listOfNotNull(
            deadline.byDateSeconds?.let { now + it },
            deadline.byCreationSeconds?.let { known + it },
        )
        moments.minOrNull()?.let { until = max(until ?: 0.0, it + GRACE) }
    }
}

private fun quoted(part: String): String = java.net.URLEncoder.encode(part, "UTF-8").replace("+", "%20")
