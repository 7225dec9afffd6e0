/** An error on its way to another process of the app: what it was, and what has arrived, as JSON. */

import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.ObjectInputStream
import java.io.ObjectOutputStream
import simmer.FieldError
import simmer.JobFailed
import simmer.Json
import simmer.OutlineEntry
import simmer.RequestRefused
import simmer.SimmerException
import simmer.State
import simmer.Update

object Journey {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val job = Update(
            "recipe", "7", State.FAILED, error = "No.", errorCode = "refused",
            outline = listOf(OutlineEntry("Egg rice", true)),
            partialResult = Json.parse("""{"recipes": [{"name": "Egg rice", "minutes": 1.5, "note": null}]}""").let {
                @Suppress("UNCHECKED_CAST") // the names in JSON are texts
                it as Map<String, Any?>
            },
        )
        val complaints = listOf(FieldError("count", "too many"))
        for (error in listOf(JobFailed(job), RequestRefused("No.", "invalid_request", job, 422, complaints, false))) {
            println(Json.write(listOf(told(error), told(arrived(error)))))
        }
    }

    private fun told(error: SimmerException) = listOf(
        error.javaClass.name, error.message, error.code, error.retryable, error.job.toString(),
        (error as? RequestRefused)?.errors.toString(),
    )

    private fun arrived(error: SimmerException): SimmerException {
        val bytes = ByteArrayOutputStream()
        ObjectOutputStream(bytes).use { it.writeObject(error) }
        return ObjectInputStream(ByteArrayInputStream(bytes.toByteArray())).readObject() as SimmerException
    }
}
