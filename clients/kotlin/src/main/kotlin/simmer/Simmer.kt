package simmer

import java.io.IOException
import java.util.UUID
import kotlin.random.Random
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.selects.select
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withTimeoutOrNull

/**
 * Gives the token. With `renew` the last one was refused: get a new one, or null if there is none to
 * be had. It has a request's 15 s, so it must not ask the user; what it throws is passing trouble.
 */
fun interface TokenSource {
    suspend fun token(renew: Boolean): String?
}

/**
 * A client of one deployment; one is enough for an app, and any coroutine may use it.
 *
 * [push]: how to open a socket; null means that jobs are polled. [deadlineSeconds]: a limit of the
 * caller's own for each wait; null means the server's deadline for the job.
 */
class SimmerClient internal constructor(
    baseUrl: String,
    private val tokens: TokenSource,
    private val push: PushTransport?,
    private val deadlineSeconds: Double?,
    private val http: HttpTransport,
    internal val time: Time,
) {
    constructor(
        baseUrl: String,
        push: PushTransport? = null,
        deadlineSeconds: Double? = null,
        http: HttpTransport = UrlConnectionTransport(),
        tokens: TokenSource,
    ) : this(baseUrl, tokens, push, deadlineSeconds, http, RealTime)

    private val base = baseUrl.trimEnd('/')
    private val isSecure = base.startsWith("https://", ignoreCase = true)
    private val renewing = Mutex()

    init {
        require(isSecure || base.startsWith("http://", ignoreCase = true)) { "baseUrl begins with https://" }
        require(deadlineSeconds == null || deadlineSeconds > 0) { "deadlineSeconds is more than none" }
    }

    /**
     * A job that is sent when it is followed. [body] is a map (see [Json.write]).
     * The same request is the same job; [fresh] asks for a job of its own.
     */
    fun job(task: String, body: Any?, fresh: Boolean = false, idempotencyKey: String? = null): Job {
        val key = idempotencyKey ?: if (fresh) UUID.randomUUID().toString() else null
        return Job(this) { following(task, null, Json.write(body), key, it) }
    }

    /** A job that was submitted before, perhaps before the app was closed. */
    fun resume(task: String, jobId: String): Job = Job(this) { following(task, jobId, "", null, it) }

    private fun following(task: String, jobId: String?, body: String, key: String?, world: World) =
        Following(task, jobId, body, key, isSecure, push != null, deadlineSeconds, world)

    internal suspend fun connect(url: String, withinSeconds: Double): PushSocket? = push?.connect(url, withinSeconds)

    /** The answer, or null when there was none in time; the token that was sent. */
    internal suspend fun exchange(call: Call, refused: String?): Pair<Answer?, String?> {
        var token = refused
        val answer = withTimeoutOrNull((call.timeoutSeconds * 1000).toLong()) {
            try {
                token = try {
                    renewing.withLock { tokenFor(call, refused) }
                } catch (error: Exception) {
                    // A time limit inside of it may throw a cancellation; ours and the caller's count.
                    currentCoroutineContext().ensureActive()
                    return@withTimeoutOrNull null
                }
                if (call.renewToken && token == null) return@withTimeoutOrNull NO_TOKEN
                val headers = call.headers + listOfNotNull(token?.let { "Authorization" to "Bearer $it" })
                http.exchange(HttpRequest(call.method, base + call.path, headers, call.body, call.timeoutSeconds))
            } catch (error: IOException) {
                null
            }
        }
        return answer to token
    }

    /** Whoever is refused at the same time waits for the one new token. */
    private suspend fun tokenFor(call: Call, refused: String?): String? {
        val token = tokens.token(renew = false)
        return if (call.renewToken && token == refused) tokens.token(renew = true) else token
    }
}

/** Stands for an answer: a new token was needed, and there is none. */
internal val NO_TOKEN = Answer(401, emptyMap(), "")

/** One job. [updates] or [await] follow it, one coroutine at a time; any may [cancel] it. */
class Job internal constructor(client: SimmerClient, following: (World) -> Following) {
    private val ended = CompletableDeferred<Unit>()
    private val following = following(Shell(client, ended))

    /** The job as it was last seen. */
    val last: Update get() = following.update

    /**
     * Submits the job, unless that is done, and follows it. Every change is emitted, the terminal
     * one last; [SimmerException] where there is none. To stop collecting leaves the job alone.
     */
    fun updates(): Flow<Update> = flow { following.follow { emit(it) } }

    /**
     * Follows the job, as [updates] does, for the parts of its answer: each once, when it comes. Ends
     * with the job, however that ends ([last]). A job without an outline has no parts.
     */
    fun parts(): Flow<Part> = flow { following.follow { following.newParts().forEach { emit(it) } } }

    /** Follows the job to its end: completed, or [JobFailed], [JobCancelled], another [SimmerException]. */
    suspend fun await(onPart: (suspend (Part) -> Unit)? = null, onUpdate: suspend (Update) -> Unit = {}): Update {
        updates().collect { update ->
            onUpdate(update)
            if (onPart != null) following.newParts().forEach { onPart(it) }
        }
        return following.outcome()
    }

    /** Sends the request, unless that is done. */
    suspend fun submit(): Update {
        following.submit()
        return last
    }

    /** Asks for the status once. */
    suspend fun get(): Update {
        following.get()
        return last
    }

    /** Takes this user off the job, on all devices; it goes on for others ([Update.goesOn]). */
    suspend fun cancel(): Update {
        following.cancel()
        if (last.state.isTerminal) ended.complete(Unit)
        return last
    }
}

/** Carries out what the rules want; decides nothing. */
private class Shell(private val client: SimmerClient, private val ended: CompletableDeferred<Unit>) : World {
    private var socket: PushSocket? = null
    @Volatile
    private var sentWith: String? = null

    override fun nowSeconds() = client.time.nowSeconds()

    override fun chance() = Random.nextDouble()

    override suspend fun call(call: Call): Answer? {
        val (answer, token) = client.exchange(call, sentWith)
        sentWith = token
        return answer
    }

    override suspend fun sleep(seconds: Double) = client.time.wait(seconds, ended)

    override suspend fun connect(url: String, withinSeconds: Double) = attempt(withinSeconds, false) {
        socket = client.connect(url, withinSeconds)
        socket != null
    }

    override suspend fun send(text: String) = attempt(SEND_SECONDS, false) {
        socket?.send(text)
        true
    }

    override suspend fun receive(withinSeconds: Double): Frame = attempt(withinSeconds, Frame.Lost) {
        val text = socket?.receive(withinSeconds)
        if (text == null) Frame.Silence else Frame.Text(text)
    }

    override fun disconnect() {
        try {
            socket?.close()
        } catch (error: Exception) {
            // It is not used any more.
        }
        socket = null
    }

    /**
     * Of push, whatever goes wrong: there is polling. The second more is for who keeps time badly.
     * A cancel ends it at once.
     */
    private suspend fun <T> attempt(withinSeconds: Double, otherwise: T, act: suspend () -> T): T = try {
        withTimeoutOrNull((withinSeconds * 1000).toLong() + 1000) { unlessEnded(otherwise, act) } ?: otherwise
    } catch (error: Exception) {
        currentCoroutineContext().ensureActive()
        otherwise
    } catch (error: LinkageError) { // its library is not there
        otherwise
    }

    private suspend fun <T> unlessEnded(otherwise: T, act: suspend () -> T): T = coroutineScope {
        val acting = async { act() }
        select {
            acting.onAwait { it }
            ended.onAwait {
                acting.cancel()
                otherwise
            }
        }
    }
}

private const val SEND_SECONDS = 5.0

/** A clock that counts and never jumps, and waiting by it. */
internal interface Time {
    fun nowSeconds(): Double

    suspend fun wait(seconds: Double, unless: CompletableDeferred<Unit>)
}

private object RealTime : Time {
    private val nanos = nanosOfAndroid() ?: System::nanoTime

    override fun nowSeconds() = nanos() / 1e9

    override suspend fun wait(seconds: Double, unless: CompletableDeferred<Unit>) {
        withTimeoutOrNull((seconds * 1000).toLong() + 1) { unless.await() }
    }
}

/** While a phone sleeps, `System.nanoTime` stands still and `SystemClock.elapsedRealtimeNanos` does not. */
private fun nanosOfAndroid(): (() -> Long)? = try {
    val method = Class.forName("android.os.SystemClock").getMethod("elapsedRealtimeNanos")
    method.invoke(null) // in unit tests Android's classes are there, and throw
    ({ method.invoke(null) as Long })
} catch (error: Exception) {
    null
}
