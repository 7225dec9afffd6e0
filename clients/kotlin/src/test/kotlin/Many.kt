/** Many jobs at once: the API's URL; standard input has a line of JSON `{token, body}` for each. Prints how each ended. */

import java.util.concurrent.ConcurrentLinkedQueue
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import simmer.Json
import simmer.SimmerClient
import simmer.SimmerException

private const val AT_ONCE = 8
private const val TAPS = 5 // a user whose request got no answer sends it again

object Many {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val waiting = ConcurrentLinkedQueue(generateSequence(::readlnOrNull).map { Json.parse(it) as Map<*, *> }.toList())
        runBlocking(Dispatchers.IO) {
            repeat(AT_ONCE) {
                launch { while (true) follow(arguments[0], waiting.poll() ?: break) }
            }
        }
    }

    private suspend fun follow(url: String, given: Map<*, *>, taps: Int = TAPS) {
        val body = given["body"] as Map<*, *>
        val job = SimmerClient(url) { renew -> (given["token"] as String).takeUnless { renew } }.job("recipe", body)
        var ends = 0
        val end = try {
            mapOf("result" to job.await { if (it.state.isTerminal) ends++ }.result)
        } catch (error: SimmerException) {
            mapOf("code" to error.code, "message" to error.message)
        }
        if (job.last.jobId == null && taps > 1) return follow(url, given, taps - 1)
        val name = (body["ingredients"] as List<*>)[0]
        println(Json.write(mapOf("name" to name, "jobId" to job.last.jobId, "ends" to ends) + end))
    }
}
