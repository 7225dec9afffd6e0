package simmer

import java.io.ByteArrayOutputStream
import java.io.IOException
import java.net.HttpURLConnection
import java.net.URL
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.async
import kotlinx.coroutines.launch

class HttpRequest(
    val method: String,
    val url: String,
    val headers: Map<String, String>,
    val body: String?,
    val timeoutSeconds: Double,
)

/**
 * Sends one request. No redirect is followed: a token goes where the app said, and nowhere else.
 * Throws an [IOException] when there is no answer. To be cancelled must end it at once.
 */
fun interface HttpTransport {
    @Throws(IOException::class)
    suspend fun exchange(request: HttpRequest): Answer
}

/**
 * Sockets, for an app that has a library for them, such as OkHttp. Whatever goes wrong may
 * be thrown: the job is polled then.
 */
fun interface PushTransport {
    /** Returns when the socket is open. */
    suspend fun connect(url: String, withinSeconds: Double): PushSocket
}

interface PushSocket {
    suspend fun send(text: String)

    /** The next text, or null when none came in that time. Throws when it is closed, or brings bytes. */
    suspend fun receive(withinSeconds: Double): String?

    /** Never waits. */
    fun close()
}

private const val LONGEST_BODY_BYTES = 16 * 1024 * 1024

// Threads that wait for a dead network are left behind, so no caller's scope may wait for them.
private val sending = CoroutineScope(SupervisorJob() + Dispatchers.IO)

/** The platform's own HTTP: on Android and on every JVM, with the proxies and authorities set there. */
class UrlConnectionTransport : HttpTransport {
    override suspend fun exchange(request: HttpRequest): Answer {
        val connection = URL(request.url).openConnection() as? HttpURLConnection ?: throw IOException("not HTTP")
        val answer = sending.async { exchange(connection, request) }
        try {
            return answer.await()
        } finally {
            // Elsewhere, for to close an encrypted connection is to write to it.
            if (!answer.isCompleted) sending.launch { runCatching { connection.disconnect() } }
        }
    }

    private fun exchange(connection: HttpURLConnection, request: HttpRequest): Answer {
        val timeoutMs = (request.timeoutSeconds * 1000).toInt()
        connection.connectTimeout = timeoutMs
        connection.readTimeout = timeoutMs
        connection.instanceFollowRedirects = false
        connection.requestMethod = request.method
        // On a JVM this sends `Cache-Control: no-cache`, which a submit has no use for.
        connection.useCaches = request.method != "GET"
        connection.setRequestProperty("Accept", "application/json")
        request.headers.forEach(connection::setRequestProperty)
        if (request.method == "POST") {
            if (request.body == null) connection.setRequestProperty("Content-Type", "application/json")
            connection.doOutput = true
            connection.outputStream.use { it.write(request.body.orEmpty().toByteArray()) }
        }
        val status = connection.responseCode
        val headers = connection.headerFields.entries
            .mapNotNull { (name, values) -> name?.let { lowerCase(it) to values.first() } }
            .toMap()
        return Answer(status, headers, bodyOf(connection, status))
    }

    private fun bodyOf(connection: HttpURLConnection, status: Int): String {
        val stream = (if (status >= 400) connection.errorStream else connection.inputStream) ?: return ""
        val bytes = ByteArrayOutputStream()
        stream.use {
            val buffer = ByteArray(8192)
            while (true) {
                val read = it.read(buffer)
                if (read < 0) break
                bytes.write(buffer, 0, read)
                if (bytes.size() > LONGEST_BODY_BYTES) throw IOException("the answer is too long")
            }
        }
        return try {
            Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes.toByteArray())).toString()
        } catch (error: CharacterCodingException) {
            "" // nothing of the API's own
        }
    }
}

/** Not by the phone's language: in Turkish, `I` is no capital `i`. */
private fun lowerCase(name: String) = name.lowercase(java.util.Locale.ROOT)
