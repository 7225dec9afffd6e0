/**
 * clients/vectors, run against the Kotlin client in virtual time; one line of JSON for each:
 * `{"name", "wrong"}`, where `wrong` is empty for one that holds.
 */

import java.io.File
import java.io.IOException
import kotlin.math.abs
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.yield
import simmer.Answer
import simmer.DeadlineExceeded
import simmer.HttpRequest
import simmer.HttpTransport
import simmer.JobCancelled
import simmer.JobFailed
import simmer.Json
import simmer.MalformedAnswer
import simmer.Part
import simmer.PushSocket
import simmer.PushTransport
import simmer.RequestRefused
import simmer.SimmerClient
import simmer.SimmerException
import simmer.State
import simmer.Time
import simmer.TokenSource
import simmer.Unreachable
import simmer.Update

private const val SERVER_START = 36_000L // 2026-11-25T10:00:00Z, counted from that midnight

@Suppress("UNCHECKED_CAST") // the names in JSON are texts
private operator fun Any?.get(name: String): Any? = (this as? Map<String, Any?>)?.getOrDefault(name, null)

private fun Any?.items(): List<Any?> = (this as? List<*>).orEmpty()

private fun Any?.seconds(): Double = (this as? Number)?.toDouble() ?: 0.0

private class VirtualTime(cancelAfter: Double?) : Time {
    var seconds = 5000.0
    private var cancelAt = cancelAfter?.let { seconds + it }
    var cancel: suspend () -> Unit = {}

    /** Whether the job's owner cancels it while its follower waits; it is cancelled, then. */
    suspend fun isCancelledWithin(seconds: Double): Boolean {
        val at = cancelAt?.takeIf { it <= this.seconds + seconds } ?: return false
        cancelAt = null
        this.seconds = at
        cancel()
        yield() // to whom is waiting
        return true
    }

    override fun nowSeconds() = seconds

    override suspend fun wait(seconds: Double, unless: CompletableDeferred<Unit>) {
        check(seconds > 0) { "a pause of $seconds s" }
        if (!unless.isCompleted && !isCancelledWithin(seconds)) this.seconds += seconds
    }
}

/** What a vector says of the network, and what a client did in it. */
private class Scripted(val vector: Any?) : HttpTransport, PushTransport, PushSocket {
    val time = VirtualTime((vector["do"]["cancelAfter"] as Number?)?.toDouble())
    val steps = mutableListOf<Pair<String, Double>>()
    val requests = mutableListOf<HttpRequest>()
    val updates = mutableListOf<List<Any?>>()
    val outlines = mutableListOf<List<List<String>>>()
    val estimates = mutableListOf<List<Any?>>()
    val moments = mutableListOf<Pair<Double, List<Any?>>>()
    val parts = mutableListOf<Part>()
    var partialResult: Any? = null
    val beganAt = time.seconds
    var lastAt = beganAt
    private val answers = vector["answers"].items().iterator()
    private var answer: Any? = null
    private val subscriptions = vector["socket"]["subscriptions"].items().iterator()
    private val frames = ArrayDeque<Pair<Double, Any?>>()

    private fun step(what: String) {
        check(steps.size < 5000) { "it goes on for ever" }
        steps += what to time.seconds - lastAt
        lastAt = time.seconds
    }

    override suspend fun exchange(request: HttpRequest): Answer {
        requests += request
        step(request.method + " " + java.net.URI(request.url).path.split("/")[2])
        if (answers.hasNext()) answer = answers.next() // the last one stays
        val given = answer as Map<*, *>
        if (given["lost"] == true) throw IOException("lost")
        if (given["hang"] == true) {
            time.seconds += request.timeoutSeconds
            throw IOException("no answer")
        }
        val date = if ("date" in given) given["date"] as String? else httpDate()
        val headers = (given["headers"] as? Map<*, *>).orEmpty().entries
            .associate { (name, value) -> (name as String).lowercase() to value as String }
        val body = given["text"] as? String ?: Json.write(given["body"])
        return Answer((given["status"] as Long).toInt(), listOfNotNull(date?.let { "date" to it }).toMap() + headers, body)
    }

    private fun httpDate(): String {
        val at = SERVER_START + (time.seconds - beganAt).toLong()
        return "Wed, 25 Nov 2026 %02d:%02d:%02d GMT".format(at / 3600, at / 60 % 60, at % 60)
    }

    override suspend fun connect(url: String, withinSeconds: Double): PushSocket {
        step("connect")
        when (vector["socket"]["connect"] ?: "fails") {
            "opens" -> return this
            "throws" -> throw NoClassDefFoundError("no sockets here")
            "hangs" -> time.seconds += withinSeconds
            "redirects" -> throw IOException("302") // it is for the transport not to follow it
        }
        throw IOException("refused")
    }

    override suspend fun send(text: String) {
        step("subscribe")
        check(Json.parse(text) == mapOf("action" to "subscribe", "jobId" to "7", "token" to "push-token")) { text }
        if (!subscriptions.hasNext()) return
        subscriptions.next().items().forEach { frames += time.seconds + it["afterSeconds"].seconds() to it }
    }

    override suspend fun receive(withinSeconds: Double): String? {
        check(withinSeconds > 0)
        val next = frames.firstOrNull()
        if (time.isCancelledWithin(minOf(withinSeconds, next?.let { it.first - time.seconds } ?: withinSeconds))) {
            time.seconds += withinSeconds // nobody told the socket
            return null
        }
        if (next == null || next.first > time.seconds + withinSeconds) {
            time.seconds += withinSeconds
            return null
        }
        frames.removeFirst()
        val (at, entry) = next
        time.seconds = maxOf(time.seconds, at)
        if (entry["close"] == true || entry["binary"] == true) throw IOException("closed, or bytes")
        return entry["text"] as? String ?: Json.write(entry["json"])
    }

    override fun close() {}
}

private fun follow(world: Scripted): Any = runBlocking {
    val said = world.vector["client"]
    val kind = said["token"] ?: "fixed"
    var given = 0
    var calls = 0
    var renewals = 0
    val tokens = TokenSource { renew ->
        calls += 1
        if (renew) renewals += 1
        when {
            kind == "throws" && calls == 1 -> error("no network")
            kind == "renewal throws" && renew && renewals == 1 -> error("no network")
            kind == "hangs" && calls == 1 -> {
                world.time.seconds += 15
                throw IOException("in no time")
            }
            renew && kind == "fixed" -> null
            else -> "token-${if (renew) ++given else given}"
        }
    }
    val client = SimmerClient(
        said["api"] as String? ?: "https://api.test",
        tokens,
        world.takeIf { said["push"] != false },
        (said["deadlineSeconds"] as Number?)?.toDouble(),
        world,
        world.time,
    )
    val submit = world.vector["do"]["submit"]
    val job = when (submit) {
        null -> client.resume("recipe", world.vector["do"]["resume"] as String)
        else -> client.job("recipe", submit["body"], submit["fresh"] == true, submit["idempotencyKey"] as String?)
    }
    world.time.cancel = { job.cancel() }
    val cancelWhen = world.vector["do"]["cancelWhen"]
    try {
        job.await(onPart = { world.parts += it }) { update ->
            val outline = update.outline.map { listOf(it.title, if (it.isReady) "ready" else "waiting") }
            if (outline.isNotEmpty() && outline != world.outlines.lastOrNull()) world.outlines.add(outline)
            world.partialResult = update.partialResult
            val estimate = update.estimatedSecondsRemaining?.let { listOf(it.toLong(), update.estimateIsMeasured) }
            if (!update.state.isTerminal && estimate != null && estimate != world.estimates.lastOrNull()) world.estimates += estimate
            val moment = listOf(update.progress.toLong(), update.stage, update.message)
            val isAnother = update.stage.isNotEmpty() && moment != world.moments.lastOrNull()?.second
            if (!update.state.isTerminal && isAnother) world.moments += world.time.seconds - world.beganAt to moment
            val seen = listOf(update.state.name.lowercase(), update.progress.toLong())
            if (!update.state.isTerminal && seen != world.updates.lastOrNull()) world.updates += seen
            if (seen == cancelWhen) job.cancel()
        }
    } catch (error: SimmerException) {
        error
    }
}

private fun named(end: Any, expected: Any?): Any = when (end) {
    is Update -> mapOf("completed" to end.result).also { check(end.state == State.COMPLETED) }
    is JobFailed -> mapOf("failed" to end.code)
    is JobCancelled -> mapOf("cancelled" to mapOf("goesOn" to end.goesOn))
    is RequestRefused -> buildMap {
        put("refused", end.status.toLong())
        if (expected["code"] != null) put("code", end.code)
    }
    is MalformedAnswer -> mapOf("malformed" to true)
    is Unreachable -> mapOf("unreachable" to true)
    is DeadlineExceeded -> mapOf("deadline" to true)
    else -> error("no end: $end")
}

private fun complaints(world: Scripted, end: Any): List<String> = buildList {
    val expect = world.vector["expect"]
    fun same(what: String, there: Any?, wanted: Any?) {
        if (there != wanted) add("$what: $there instead of $wanted")
    }
    same("steps", world.steps.map { it.first }, expect["steps"].items().map { it.items()[0] })
    world.steps.zip(expect["steps"].items()).forEachIndexed { at, (step, wanted) ->
        val bounds = wanted.items()[1].let { it as? List<*> ?: listOf(it, it) }.map { it.seconds() }
        if (step.second !in bounds[0] - 0.001..bounds[1] + 0.001) add("step $at, ${step.first}: after ${step.second} s")
    }
    same("updates", world.updates, expect["updates"])
    same("outlines", world.outlines, expect["outlines"].items())
    same("parts", world.parts.map { listOf(it.position.toLong(), it.value) }, expect["parts"].items())
    same("partialResult", world.partialResult, expect["partialResult"])
    expect["estimates"]?.let { same("estimates", world.estimates, it) }
    expect["moments"]?.items()?.map { it.items() }?.let { wanted ->
        same("moments", world.moments.map { it.second }, wanted.map { it.drop(1) })
        world.moments.zip(wanted).forEach { (moment, at) ->
            if (abs(moment.first - at[0].seconds()) > 0.001) add("a moment at ${moment.first} s instead of ${at[0]}")
        }
    }
    same("end", named(end, expect["end"]), expect["end"])
    val endsAfter = world.time.seconds - world.lastAt
    expect["endsAfter"]?.let { if (abs(endsAfter - it.seconds()) > 0.001) add("ends after $endsAfter s") }
    expect["headers"].items().forEachIndexed { at, headers ->
        for ((name, value) in headers as Map<*, *>) {
            fun header(request: HttpRequest) =
                request.headers.entries.find { it.key.equals(name as String, ignoreCase = true) }?.value
            val there = header(world.requests[at])
            when (value) {
                "UUID" -> if (there?.matches(UUID) != true) add("header $name: $there is no UUID")
                "same" -> same("header $name", there, header(world.requests[at - 1]))
                else -> same("header $name", there, value)
            }
        }
    }
    expect["bearers"]?.let { wanted ->
        same("bearers", world.requests.map { it.headers["Authorization"] }, wanted.items().map { "Bearer $it" })
    }
}

private val UUID = Regex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

fun main(arguments: Array<String>) {
    for (file in File(arguments[0]).listFiles { it -> it.extension == "json" }!!.sorted()) {
        for (vector in Json.parse(file.readText())["vectors"].items()) {
            val world = Scripted(vector)
            val wrong = try {
                complaints(world, follow(world))
            } catch (error: Throwable) {
                listOf(error.toString())
            }
            println(Json.write(mapOf("name" to vector["name"], "wrong" to wrong.joinToString("; "))))
        }
    }
}
