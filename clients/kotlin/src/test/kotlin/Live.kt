/** One job over the real network: the API's URL, a token, a body, and seconds for it; prints how it ended, as JSON. */

import kotlinx.coroutines.runBlocking
import simmer.Json
import simmer.SimmerClient
import simmer.SimmerException

object Live {
    @JvmStatic
    fun main(arguments: Array<String>) = runBlocking {
        val (url, token, body) = arguments
        val client = SimmerClient(url, deadlineSeconds = arguments.getOrNull(3)?.toDouble()) { renew -> token.takeUnless { renew } }
        val end = try {
            val ended = client.job("recipe", Json.parse(body)).await()
            mapOf("jobId" to ended.jobId, "result" to ended.result)
        } catch (error: SimmerException) {
            mapOf("code" to error.code, "message" to error.message)
        }
        println(Json.write(end))
    }
}
