/// A client of Simmer for iOS 16, macOS 13 and later, in Swift 5.9 and later: copy this one file. It needs
/// Foundation and nothing else.
///
/// It keeps the rules of docs/client-rules.md, in their order.

import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

// MARK: - What an app sees

/// ```
/// idle ──▶ submitting ──▶ polling ──▶ completed | failed | cancelled
///              └── answered before ──▶ completed
/// ```
/// `polling` means that the server has the job; also while it is pushed.
enum SimmerState: String, Sendable {
    case idle, submitting, polling, completed, failed, cancelled

    var isTerminal: Bool { self == .completed || self == .failed || self == .cancelled }
}

/// The title of one part of an answer that is made in parts.
struct SimmerOutlineEntry: Sendable, Equatable {
    let title: String
    /// Whether the part was validated; else it is still to come.
    let isReady: Bool
}

/// One part: its position in the outline, from 0, and the JSON that will be in the result.
struct SimmerPart: Sendable, Equatable {
    let position: Int
    let title: String
    let value: SimmerJSON
}

/// One moment of a job. A part that was shown in one is in those that come after it.
struct SimmerUpdate: Sendable, Equatable {
    let task: String
    /// Nil until the server has accepted the job. Keep it: `resume` goes on with it.
    var jobId: String?
    var state: SimmerState = .idle
    /// 0 to 100, and never below that of an earlier update.
    var progress: Int = 0
    /// `queued`, `analyzing`, `generating`, `done`, or empty.
    var stage: String = ""
    /// For the user, in the request's language.
    var message: String = ""
    var estimatedSecondsRemaining: Int?
    /// Whether past jobs tell that; else it is a guess.
    var estimateIsMeasured: Bool = false
    /// A title for each part, as soon as they are known; empty for an answer in one piece.
    var outline: [SimmerOutlineEntry] = []
    /// Open or failed: the result, with the parts that are there; nil without any.
    var partialResult: SimmerJSON?
    /// Completed: the task's JSON.
    var result: SimmerJSON?
    /// Completed without any work: it was answered before.
    var cached: Bool = false
    /// Failed: a sentence for the user.
    var error: String?
    var errorCode: String?
    var retryable: Bool = false
    /// Cancelled for this user alone: others wait for the job, and it goes on.
    var goesOn: Bool = false
}

/// One complaint about one field: `field` is a dotted path, empty for the whole body.
struct SimmerFieldError: Sendable, Equatable {
    let field: String
    let message: String
}

/// The codes that were known when this file was written. A server may have others.
enum SimmerCode: String, Sendable {
    // Of a job that failed.
    case invalidOutput = "invalid_output"
    case refused
    case modelUnavailable = "model_unavailable"
    case deadlineExceeded = "deadline_exceeded"
    case budgetExceeded = "budget_exceeded"
    case `internal`
    // Of a refusal.
    case malformedJson = "malformed_json"
    case invalidIdempotencyKey = "invalid_idempotency_key"
    case invalidToken = "invalid_token"
    case invalidPushToken = "invalid_push_token"
    case unknownTask = "unknown_task"
    case jobNotFound = "job_not_found"
    case requestTooLarge = "request_too_large"
    case unsupportedMediaType = "unsupported_media_type"
    case invalidRequest = "invalid_request"
    case idempotencyKeyReused = "idempotency_key_reused"
    case quotaExceeded = "quota_exceeded"
    case tooManyJobs = "too_many_jobs"
    case tooManySubscribers = "too_many_subscribers"
    case dependencyUnavailable = "dependency_unavailable"
    // Of a refusal, where the gateway gave none.
    case unauthorized
    case forbidden
    case notFound = "not_found"
    case tooManyRequests = "too_many_requests"
    // The client's own.
    case cancelled
    case malformedAnswer = "malformed_answer"
    case unreachable
    case clientDeadline = "client_deadline"
}

/// Whatever ended a wait. `code` is stable and for programs; `job` is the job as it was last seen. It
/// holds no token.
struct SimmerError: Error, LocalizedError, Sendable {
    enum Kind: Sendable {
        /// The job ended without a result. The message is the server's sentence for the user.
        case jobFailed
        /// The job was cancelled, or left (`job.goesOn`), by whoever.
        case jobCancelled
        /// The API, or its gateway, said no; `status` is the HTTP status.
        case requestRefused
        /// No answer of the API's own came, however often it was asked: a login page, a proxy.
        case malformedAnswer
        /// No answer, however often it was asked.
        case unreachable
        /// Still open at the last look. The job may go on: `resume` its id.
        case deadlineExceeded
    }

    let kind: Kind
    let code: String
    let message: String
    let job: SimmerUpdate
    /// Whether to try again may help.
    var retryable: Bool = true
    var status: Int?
    var errors: [SimmerFieldError] = []

    /// `code` as one of those that are known here; nil for another.
    var known: SimmerCode? { SimmerCode(rawValue: code) }

    var errorDescription: String? { message }
}

/// Any JSON. `decoded(as:)` makes a type of the app's own of it.
enum SimmerJSON: Codable, Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case array([SimmerJSON])
    case object([String: SimmerJSON])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let integer = try? value.decode(Int.self) {
            self = .integer(integer)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .string(text)
        } else if let items = try? value.decode([SimmerJSON].self) {
            self = .array(items)
        } else {
            self = .object(try value.decode([String: SimmerJSON].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    func decoded<Value: Decodable>(as type: Value.Type) throws -> Value {
        try JSONDecoder().decode(type, from: JSONEncoder().encode(self))
    }

    fileprivate var anyText: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// A text that is not empty.
    fileprivate var text: String? {
        guard let text = anyText, !text.isEmpty else { return nil }
        return text
    }

    fileprivate var double: Double? {
        switch self {
        case .integer(let value): return Double(value)
        case .number(let value): return value.isFinite ? value : nil
        default: return nil
        }
    }

    fileprivate var fields: [String: SimmerJSON]? {
        guard case .object(let fields) = self else { return nil }
        return fields
    }

    fileprivate var items: [SimmerJSON] {
        guard case .array(let items) = self else { return [] }
        return items
    }

    /// Nil for null.
    fileprivate var value: SimmerJSON? { self == .null ? nil : self }
}

/// Gives the token. With `renew` the last one was refused: get a new one, or nil if there is none to be
/// had. It has a request's 15 s, so it must not ask the user; what it throws is passing trouble.
typealias SimmerTokenSource = @Sendable (_ renew: Bool) async throws -> String?

/// A client of one deployment; one is enough for an app, and any task may use it.
final class SimmerClient: Sendable {
    fileprivate let base: String
    fileprivate let isSecure: Bool
    fileprivate let tokens: Tokens
    fileprivate let push: (any SimmerPush)?
    fileprivate let deadlineSeconds: Double?
    fileprivate let http: any SimmerHTTP
    fileprivate let time: any SimmerTime

    /// `push`: how to open a socket; nil means that jobs are polled. `deadlineSeconds`: a limit of the
    /// caller's own for each wait; nil means the server's deadline for the job.
    init(
        _ baseURL: String,
        push: (any SimmerPush)? = URLSessionPush(),
        deadlineSeconds: Double? = nil,
        http: any SimmerHTTP = URLSessionHTTP(),
        time: any SimmerTime = SimmerRealTime(),
        token: @escaping SimmerTokenSource
    ) {
        let isSecure = baseURL.lowercased().hasPrefix("https://")
        precondition(isSecure || baseURL.lowercased().hasPrefix("http://"), "baseURL begins with https://")
        precondition((deadlineSeconds ?? 1) > 0, "deadlineSeconds is more than none")
        var base = baseURL
        while base.hasSuffix("/") { base.removeLast() }
        self.base = base
        self.isSecure = isSecure
        self.push = push
        self.deadlineSeconds = deadlineSeconds
        self.http = http
        self.time = time
        self.tokens = Tokens(source: token, time: time)
    }

    /// A job that is sent when it is followed. The same request is the same job; `fresh` asks for a job
    /// of its own. Throws what the encoder of `body` throws.
    func job(
        _ task: String, _ body: some Encodable, fresh: Bool = false, idempotencyKey: String? = nil
    ) throws -> SimmerJob {
        let key = idempotencyKey ?? (fresh ? UUID().uuidString.lowercased() : nil)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data = try encoder.encode(body)
        return SimmerJob(Following(self, SimmerUpdate(task: task), body: data, idempotencyKey: key))
    }

    /// A job that was submitted before, perhaps before the app was closed.
    func resume(_ task: String, _ jobId: String) -> SimmerJob {
        let update = SimmerUpdate(task: task, jobId: jobId, state: .polling)
        return SimmerJob(Following(self, update, body: Data(), idempotencyKey: nil))
    }
}

/// One job. `updates` or `follow` follow it, one task at a time; any may `cancel` it.
final class SimmerJob: Sendable {
    private let following: Following

    fileprivate init(_ following: Following) {
        self.following = following
    }

    /// The job as it was last seen.
    var last: SimmerUpdate {
        get async { await following.update }
    }

    /// Submits the job, unless that is done, and follows it to its end: the completed job, or a
    /// `SimmerError`. To cancel the task that waits stops following and leaves the job alone: it throws
    /// `CancellationError`. `onUpdate` is given every change, `onPart` each part of an answer in parts,
    /// once, as it comes.
    @discardableResult
    func follow(
        _ onUpdate: @escaping @Sendable (SimmerUpdate) async -> Void = { _ in },
        onPart: @escaping @Sendable (SimmerPart) async -> Void = { _ in }
    ) async throws -> SimmerUpdate {
        let following = self.following
        try await following.follow { update in
            await onUpdate(update)
            for part in await following.newParts() {
                await onPart(part)
            }
        }
        return try await following.outcome()
    }

    /// Every change, the terminal one last; a `SimmerError` where there is none. To stop the loop over it
    /// leaves the job alone.
    func updates() -> AsyncThrowingStream<SimmerUpdate, any Error> {
        let following = self.following
        return AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    try await following.follow { update in
                        _ = continuation.yield(update)
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Sends the request, unless that is done.
    func submit() async throws -> SimmerUpdate {
        try await following.submit()
        return await last
    }

    /// Asks for the status once.
    func get() async throws -> SimmerUpdate {
        try await following.get()
        return await last
    }

    /// Takes this user off the job, on all devices; it goes on for others (`goesOn`).
    @discardableResult
    func cancel() async throws -> SimmerUpdate {
        try await following.cancel()
        return await last
    }
}

// MARK: - What the client needs of the platform

/// One HTTP answer; the names of `headers` are in lower case.
struct SimmerAnswer: Sendable {
    let status: Int
    let headers: [String: String]
    let body: String
}

struct SimmerRequest: Sendable {
    let method: String
    let url: URL
    var headers: [String: String]
    let body: Data?
    let timeoutSeconds: Double
}

/// Sends one request. No redirect is followed: a token goes where the app said, and nowhere else.
/// Throws when there is no answer. To be cancelled must end it at once.
protocol SimmerHTTP: Sendable {
    func exchange(_ request: SimmerRequest) async throws -> SimmerAnswer
}

/// Sockets. Whatever goes wrong may be thrown: the job is polled then.
protocol SimmerPush: Sendable {
    /// Returns when the socket is open.
    func connect(_ url: URL, within seconds: Double) async throws -> any SimmerSocket
}

protocol SimmerSocket: Sendable {
    func send(_ text: String) async throws

    /// The next text, or nil when none came in that time. Throws when it is closed, or brings bytes.
    func receive(within seconds: Double) async throws -> String?

    /// Never waits; whoever waits to receive is woken.
    func close()
}

/// A clock that counts and never jumps, and waiting by it.
protocol SimmerTime: Sendable {
    func now() -> Double

    /// Shorter when `ended` is fired.
    func wait(_ seconds: Double, unless ended: SimmerSignal) async throws
}

/// `ContinuousClock` goes on while the phone sleeps, and no user can set it.
struct SimmerRealTime: SimmerTime {
    private static let start = ContinuousClock.now

    func now() -> Double {
        let (seconds, attoseconds) = (ContinuousClock.now - SimmerRealTime.start).components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    func wait(_ seconds: Double, unless ended: SimmerSignal) async throws {
        let pause = SimmerOnce<Bool>()
        ended.add(pause)
        defer { ended.remove(pause) }
        _ = try await pause.value(within: seconds)
    }
}

/// The platform's own HTTP, with the proxies and authorities of the phone.
final class URLSessionHTTP: NSObject, SimmerHTTP, URLSessionTaskDelegate, @unchecked Sendable {
    private let lock = NSLock()
    private var kept: URLSession?

    func exchange(_ request: SimmerRequest) async throws -> SimmerAnswer {
        var sent = URLRequest(url: request.url)
        sent.httpMethod = request.method
        sent.timeoutInterval = request.timeoutSeconds
        sent.setValue("application/json", forHTTPHeaderField: "Accept")
        for (name, value) in request.headers {
            sent.setValue(value, forHTTPHeaderField: name)
        }
        sent.httpBody = request.body
        let (data, response) = try await session().data(for: sent)
        guard let answer = response as? HTTPURLResponse else { throw URLError(.badServerResponse) }
        // What came by a redirect is no answer.
        guard answer.url?.host == request.url.host, answer.url?.path == request.url.path else {
            throw URLError(.redirectToNonExistentLocation)
        }
        var headers: [String: String] = [:]
        for (name, value) in answer.allHeaderFields {
            if let name = name as? String, let value = value as? String {
                headers[name.lowercased()] = value
            }
        }
        // What is no UTF-8 is nothing of the API's own.
        return SimmerAnswer(status: answer.statusCode, headers: headers, body: String(data: data, encoding: .utf8) ?? "")
    }

    private func session() -> URLSession {
        lock.lock()
        defer { lock.unlock() }
        if let kept { return kept }
        let session = URLSession(configuration: plainConfiguration(), delegate: self, delegateQueue: nil)
        kept = session
        return session
    }

    func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }
}

/// No cookies, and nothing stored. A cache policy of its own would make it send `Cache-Control`.
private func plainConfiguration() -> URLSessionConfiguration {
    let configuration = URLSessionConfiguration.ephemeral
    configuration.urlCache = nil
    configuration.httpCookieStorage = nil
    configuration.httpShouldSetCookies = false
    return configuration
}

/// The platform's own sockets.
struct URLSessionPush: SimmerPush {
    func connect(_ url: URL, within seconds: Double) async throws -> any SimmerSocket {
        let socket = URLSessionSocket()
        do {
            try await socket.open(url, within: seconds)
        } catch {
            socket.close()
            throw error
        }
        return socket
    }
}

private final class URLSessionSocket: NSObject, SimmerSocket, URLSessionWebSocketDelegate, @unchecked Sendable {
    private let opened = SimmerOnce<Bool>()
    private let lock = NSLock()
    private var frames: [Result<String, any Error>] = []
    private var arrival: SimmerOnce<Bool>?
    private var session: URLSession?
    private var task: URLSessionWebSocketTask?

    func open(_ url: URL, within seconds: Double) async throws {
        let session = URLSession(configuration: plainConfiguration(), delegate: self, delegateQueue: nil)
        let task = session.webSocketTask(with: url)
        keep(session, task)
        task.resume()
        guard try await opened.value(within: seconds) != nil else { throw URLError(.timedOut) }
        listen(task)
    }

    func send(_ text: String) async throws {
        guard let task = current() else { throw URLError(.networkConnectionLost) }
        try await task.send(.string(text))
    }

    func receive(within seconds: Double) async throws -> String? {
        let news = SimmerOnce<Bool>()
        if let frame = next(orTell: news) { return try frame.get() }
        _ = try await news.value(within: seconds)
        return try next(orTell: nil)?.get()
    }

    func close() {
        lock.lock()
        let (closing, ending) = (task, session)
        task = nil
        session = nil
        lock.unlock()
        closing?.cancel(with: .normalClosure, reason: nil)
        ending?.invalidateAndCancel() // it holds on to this object until then
    }

    private func keep(_ session: URLSession, _ task: URLSessionWebSocketTask) {
        lock.lock()
        defer { lock.unlock() }
        self.session = session
        self.task = task
    }

    private func current() -> URLSessionWebSocketTask? {
        lock.lock()
        defer { lock.unlock() }
        return task
    }

    private func next(orTell news: SimmerOnce<Bool>?) -> Result<String, any Error>? {
        lock.lock()
        defer { lock.unlock() }
        if !frames.isEmpty { return frames.removeFirst() }
        arrival = news
        return nil
    }

    /// Not by `receive(completionHandler:)`, which Foundation on Linux does not have.
    private func listen(_ task: URLSessionWebSocketTask) {
        Task { [weak self] in
            do {
                while true {
                    guard case .string(let text) = try await task.receive() else {
                        throw URLError(.cannotDecodeContentData)
                    }
                    self?.add(.success(text))
                }
            } catch {
                self?.add(.failure(error))
            }
        }
    }

    private func add(_ frame: Result<String, any Error>) {
        lock.lock()
        frames.append(frame)
        let waiting = arrival
        arrival = nil
        lock.unlock()
        waiting?.end(.success(true))
    }

    func urlSession(
        _ session: URLSession, webSocketTask: URLSessionWebSocketTask, didOpenWithProtocol name: String?
    ) {
        opened.end(.success(true))
    }

    func urlSession(
        _ session: URLSession, webSocketTask: URLSessionWebSocketTask,
        didCloseWith code: URLSessionWebSocketTask.CloseCode, reason: Data?
    ) {
        // `receive` says it, after the frames that came before. Foundation on Linux demands this method.
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        let why = error ?? URLError(.networkConnectionLost)
        opened.end(.failure(why))
        add(.failure(why))
    }

    func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }
}

// MARK: - Waiting

/// Something that comes once, and one task that waits for it.
final class SimmerOnce<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var outcome: Result<Value?, any Error>?
    private var waiting: CheckedContinuation<Value?, any Error>?

    /// Only the first one counts.
    func end(_ outcome: Result<Value?, any Error>) {
        lock.lock()
        if self.outcome != nil {
            lock.unlock()
            return
        }
        self.outcome = outcome
        let waiting = self.waiting
        self.waiting = nil
        lock.unlock()
        waiting?.resume(with: outcome)
    }

    /// Nil when nothing came in that time.
    func value(within seconds: Double) async throws -> Value? {
        let timer = Task {
            try? await Task.sleep(for: .seconds(max(seconds, 0)))
            self.end(.success(nil))
        }
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                self.wait(continuation)
            }
        } onCancel: {
            self.end(.failure(CancellationError()))
        }
    }

    private func wait(_ continuation: CheckedContinuation<Value?, any Error>) {
        lock.lock()
        guard let outcome else {
            waiting = continuation
            lock.unlock()
            return
        }
        lock.unlock()
        continuation.resume(with: outcome)
    }
}

/// Fired once, and many pauses end.
final class SimmerSignal: @unchecked Sendable {
    private let lock = NSLock()
    private var isFired = false
    private var pauses: [ObjectIdentifier: SimmerOnce<Bool>] = [:]

    var hasFired: Bool {
        lock.lock()
        defer { lock.unlock() }
        return isFired
    }

    func fire() {
        lock.lock()
        isFired = true
        let ending = pauses.values
        pauses = [:]
        lock.unlock()
        for pause in ending { pause.end(.success(true)) }
    }

    func add(_ pause: SimmerOnce<Bool>) {
        lock.lock()
        let isOver = isFired
        if !isOver { pauses[ObjectIdentifier(pause)] = pause }
        lock.unlock()
        if isOver { pause.end(.success(true)) }
    }

    func remove(_ pause: SimmerOnce<Bool>) {
        lock.lock()
        defer { lock.unlock() }
        pauses[ObjectIdentifier(pause)] = nil
    }
}

/// Nil when it took longer. Not a task group, which would wait for what does not heed its cancellation.
private func within<Value: Sendable>(
    _ seconds: Double, _ act: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
    let once = SimmerOnce<Value>()
    let work = Task {
        do {
            once.end(.success(try await act()))
        } catch {
            once.end(.failure(error))
        }
    }
    defer { work.cancel() }
    return try await once.value(within: seconds)
}

// MARK: - Tokens

/// However many requests are refused at once, one new token is asked for.
private actor Tokens {
    private let source: SimmerTokenSource
    private let time: any SimmerTime
    private var latest: String?
    private var renewing: Task<String?, any Error>?
    private var since = 0.0
    private var started = 0
    /// Which token it is: a request is refused with the one that it was sent with.
    private(set) var renewals = 0

    init(source: @escaping SimmerTokenSource, time: any SimmerTime) {
        self.source = source
        self.time = time
    }

    func current() async throws -> String? {
        try await source(false)
    }

    /// Nil when there is none to be had.
    func renewed(sentWith: Int) async throws -> String? {
        if sentWith != renewals { return latest }
        if let underWay = renewing, time.now() - since < requestTimeout { return try await underWay.value }
        since = time.now()
        started += 1
        let number = started
        let task = Task { try await self.renew(number) }
        renewing = task
        return try await task.value
    }

    private func renew(_ number: Int) async throws -> String? {
        defer { if number == started { renewing = nil } }
        let token = try await source(true)
        if let token {
            latest = token
            renewals += 1
        }
        return token
    }
}

// MARK: - One job and the rules for it

private let requestTimeout = 15.0
private let defaultPoll = 2.0
private let shortestPoll = 0.25
private let longestPoll = 30.0
private let resubscribe = 10.0 // where the server does not say
private let answerWithin = 5.0 // a socket that is silent for longer is dead
private let longestBackoff = 10.0
private let longestRetryAfter = 30.0 // of a single request: past this it is refused
private let defaultDeadline = 330.0
private let grace = 30.0 // for a network that is away just at the deadline
private let triesOfOne = 5 // of a single request; a wait tries until its deadline

/// Ended from another side, so what was under way does not matter any more.
private struct Ended: Error {}

/// One operation: when it began, and the caller's own limit, if there is one.
private struct Wait {
    let beganAt: Double
    let limitSeconds: Double?
}

private enum Reply: Sendable {
    case answer(SimmerAnswer)
    case noToken
}

private typealias Show = @Sendable (SimmerUpdate) async -> Void

private actor Following {
    private let client: SimmerClient
    private let body: Data
    private let idempotencyKey: String?
    private let ended = SimmerSignal()
    private var socket: (any SimmerSocket)? // while it is listened to
    private(set) var update: SimmerUpdate
    private var offer: PushOffer?
    private var parts = Parts()
    private var handed: Set<Int> = [] // the positions of parts that were given to the caller
    private var knownAt: Double? // when the server first said something of the job
    private var until: Double? // when to give up, by the server's own deadline

    init(_ client: SimmerClient, _ update: SimmerUpdate, body: Data, idempotencyKey: String?) {
        self.client = client
        self.update = update
        self.body = body
        self.idempotencyKey = idempotencyKey
    }

    private var isOpen: Bool { !update.state.isTerminal }

    /// Submits the job, unless that is done, and shows every change; the terminal one last.
    func follow(_ show: @escaping Show) async throws {
        do {
            try await follow(begin(), show)
        } catch is Ended {
            // As it says.
        }
        await show(update)
    }

    func submit() async throws {
        guard isOpen, update.jobId == nil else { return }
        do {
            try await submit(begin()) { _ in }
        } catch is Ended {
            // As it says.
        }
    }

    func get() async throws {
        guard isOpen, update.jobId != nil else { return }
        do {
            take(try await status(begin(), isWait: false))
        } catch is Ended {
            // As it says.
        }
    }

    /// Cancels the job, or leaves it to the others who wait for it; unless it has ended.
    func cancel() async throws {
        guard isOpen else { return }
        guard update.jobId != nil else { return leave() } // if it is being sent, `submit` sees to it
        do {
            try await cancel(begin(), tries: triesOfOne)
        } catch is Ended {
            // As it says.
        }
    }

    /// The completed job, or the error it ended with.
    func outcome() throws -> SimmerUpdate {
        switch update.state {
        case .failed:
            throw SimmerError(
                kind: .jobFailed, code: update.errorCode ?? "internal", message: update.error ?? "The job failed.",
                job: update, retryable: update.retryable
            )
        case .cancelled:
            let left = "The job was left, and goes on for others who wait for it."
            throw SimmerError(
                kind: .jobCancelled, code: "cancelled", message: update.goesOn ? left : "The job was cancelled.",
                job: update, retryable: false
            )
        default:
            return update
        }
    }

    /// The parts that are known and were not given before.
    func newParts() -> [SimmerPart] {
        if update.state == .cancelled { return [] } // nobody wants them
        let known = update.result.map { parts.all(of: $0) } ?? parts.seen
        let new = known.filter { !handed.contains($0.position) }
        handed.formUnion(new.map { $0.position })
        return new
    }

    // MARK: What is known

    /// Believes it, unless the job has ended; the bar never goes back, and no part goes away.
    private func take(_ next: SimmerUpdate, _ others: Parts = Parts()) {
        guard isOpen else { return }
        let before = parts
        parts = before.grown(by: others)
        if before.runAt != nil && before.runAt != parts.runAt { handed = [] } // another run
        let hasResult = next.state == .completed
        var taken = next
        taken.progress = max(update.progress, next.progress)
        taken.outline = hasResult ? parts.completeOutline : parts.outline
        taken.partialResult = hasResult || next.state == .cancelled ? nil : parts.partialResult
        update = taken
        if !isOpen {
            ended.fire()
            socket?.close() // wakes whoever waits for a frame
        }
    }

    private func take(_ document: Document) {
        heed(document.deadline)
        take(document.update, document.parts)
    }

    private func take(_ entry: Ahead) {
        take(entry.after(update))
    }

    private func leave(goesOn: Bool = false) {
        take(
            SimmerUpdate(
                task: update.task, jobId: update.jobId, state: .cancelled, progress: update.progress, stage: "done",
                estimatedSecondsRemaining: 0, goesOn: goesOn
            )
        )
    }

    private func showOpen(_ show: Show) async {
        if isOpen { await show(update) }
    }

    private func mustBeOpen() throws {
        if !isOpen { throw Ended() }
        try Task.checkCancellation()
    }

    // MARK: The order of things

    private func follow(_ wait: Wait, _ show: @escaping Show) async throws {
        if isOpen && update.jobId == nil { try await submit(wait, show) }
        await showOpen(show)
        let offered = offer
        offer = nil // what failed once is not tried again
        if let offered, isOpen { try await listen(offered, wait, show) }
        while isOpen { // a deadline never strikes before a last look
            let document = try await status(wait, isWait: true)
            take(document)
            if !isOpen { break }
            await showOpen(show)
            let remaining = left(wait)
            if remaining <= 0 {
                throw SimmerError(
                    kind: .deadlineExceeded, code: "client_deadline",
                    message: "The job has not ended within the time for it.", job: update
                )
            }
            let pause = min(max(document.pollAfterSeconds ?? defaultPoll, shortestPoll), longestPoll)
            try await client.time.wait(min(pause, remaining), unless: ended)
            try mustBeOpen()
        }
    }

    private func submit(_ wait: Wait, _ show: @escaping Show) async throws {
        let before = update
        var sending = before
        sending.state = .submitting
        take(sending)
        await showOpen(show)
        var headers = ["Content-Type": "application/json"]
        if let idempotencyKey { headers["Idempotency-Key"] = idempotencyKey }
        let submitted: Submitted
        do {
            submitted = try await request("POST", "generate", wait, tries: triesOfOne, headers: headers, body: body) {
                try readSubmitted($0, task: before.task)
            }
        } catch let error as SimmerError {
            take(before)
            throw error
        }
        heed(submitted.deadline)
        take(submitted.update)
        if update.jobId == nil && !submitted.update.state.isTerminal {
            // It was left while it was being sent; now that it has a name, it can be cancelled.
            update.jobId = submitted.update.jobId
            do {
                try await cancel(wait, tries: 1)
            } catch is SimmerError {
                // Nobody waits for it.
            } catch is Ended {
                // Nor for this.
            }
        }
        if client.push != nil, let offered = submitted.offer, isSafe(offered.url) { offer = offered }
    }

    private func isSafe(_ url: String) -> Bool {
        url.hasPrefix("wss://") || (url.hasPrefix("ws://") && !client.isSecure)
    }

    private func cancel(_ wait: Wait, tries: Int) async throws {
        let job = update
        let document = try await request("POST", "cancel", wait, tries: tries) { try readWhole($0, of: job) }
        take(document.update, document.parts)
        leave(goesOn: true) // still open: others wait for it, we do not
    }

    // MARK: Push

    /// Follows the job over a socket until it has ended or the socket is not to be trusted.
    private func listen(_ offer: PushOffer, _ wait: Wait, _ show: @escaping Show) async throws {
        let patience = min(answerWithin, left(wait))
        guard patience > 0, let push = client.push, let url = URL(string: offer.url) else { return }
        let connected: (any SimmerSocket)? = try await attempt {
            try await within(patience + 1) { try await push.connect(url, within: patience) }
        }
        guard let socket = connected else { return }
        self.socket = socket
        defer {
            socket.close()
            self.socket = nil
        }
        let subscribe = subscription(offer.token)
        var ifQueued = 1.0 // nobody tells when a job's turn comes
        var isTrusted = true
        while isTrusted {
            try mustBeOpen()
            let sent: Bool? = try await attempt {
                try await within(answerWithin) {
                    try await socket.send(subscribe)
                    return true
                }
            }
            if sent == nil { return }
            isTrusted = try await hear(socket, ifQueued, wait, show)
            ifQueued *= 2
        }
    }

    private func subscription(_ token: String) -> String {
        let fields: [String: SimmerJSON] = [
            "action": .string("subscribe"), "jobId": .string(update.jobId ?? ""), "token": .string(token),
        ]
        let data = try? JSONEncoder().encode(SimmerJSON.object(fields))
        return data.flatMap { String(data: $0, encoding: .utf8) } ?? ""
    }

    /// Of push, whatever goes wrong: there is polling.
    private func attempt<Value: Sendable>(_ act: () async throws -> Value?) async throws -> Value? {
        do {
            return try await act()
        } catch {
            try Task.checkCancellation()
            return nil
        }
    }

    /// Takes what comes until it is time to subscribe again, and shows meanwhile what is ahead. False if it has
    /// to be polled.
    private func hear(_ socket: any SimmerSocket, _ ifQueued: Double, _ wait: Wait, _ show: @escaping Show) async throws -> Bool {
        var askAt = now() + answerWithin
        var ahead: [(at: Double, entry: Ahead)] = [] // when to show it, the next one first
        var answered = false
        while true {
            let wokenAt = now()
            let remaining = left(wait)
            if remaining <= 0 { return false } // the last look is a poll
            if let next = ahead.first, next.at <= wokenAt {
                try mustBeOpen()
                ahead.removeFirst()
                take(next.entry)
                await showOpen(show)
                continue
            }
            if askAt <= wokenAt { return answered }
            let frame: String?
            do {
                frame = try await socket.receive(within: min((ahead.first?.at ?? askAt) - wokenAt, remaining))
            } catch {
                try mustBeOpen()
                return false
            }
            try mustBeOpen()
            guard let text = frame else { continue }
            let document: Document
            do {
                document = try readStatus(text, of: update, headers: [:])
            } catch { // a problem document, or nonsense
                return false
            }
            let isEndWithoutParts = document.update.state == .failed && parts.grown(by: document.parts).lacksSome
            if document.lacksResult || isEndWithoutParts { return false }
            answered = true
            take(document)
            try mustBeOpen()
            let heardAt = now()
            let unlessSaid = update.stage == "queued" ? min(ifQueued, resubscribe) : resubscribe
            askAt = heardAt + (document.askAfterSeconds ?? unlessSaid)
            ahead = document.ahead.map { (at: heardAt + $0.afterSeconds, entry: $0) }.filter { $0.at < askAt }
            await showOpen(show)
            if parts.lacksSome { try await fetchParts(wait, show) }
        }
    }

    /// Parts that were too large for a frame. If that fails, the next frame asks again.
    private func fetchParts(_ wait: Wait, _ show: @escaping Show) async throws {
        let job = update
        do {
            take(try await request("GET", "status", wait, tries: 1) { try readWhole($0, of: job) })
        } catch is SimmerError {
            // As it says.
        }
        try mustBeOpen()
        await showOpen(show)
    }

    // MARK: One request, as often as it takes

    private func status(_ wait: Wait, isWait: Bool) async throws -> Document {
        let job = update
        return try await request("GET", "status", wait, tries: isWait ? nil : triesOfOne) { try readWhole($0, of: job) }
    }

    /// `tries` is nil for a wait, which tries until its deadline.
    private func request<Value: Sendable>(
        _ method: String, _ operation: String, _ wait: Wait, tries: Int?, headers: [String: String] = [:],
        body: Data? = nil, _ read: (SimmerAnswer) throws -> Value
    ) async throws -> Value {
        let name = operation == "generate" ? "" : "/" + quoted(update.jobId ?? "")
        let timeout = min(requestTimeout, max(1, wait.limitSeconds ?? requestTimeout))
        guard let url = URL(string: "\(client.base)/\(quoted(update.task))/\(operation)\(name)") else {
            preconditionFailure("baseURL is no URL")
        }
        let request = SimmerRequest(method: method, url: url, headers: headers, body: body, timeoutSeconds: timeout)
        var failures = 0
        while true {
            let answer = try await exchange(request)
            let error: SimmerError
            do {
                return try judged(answer, read)
            } catch let malformed as Malformed {
                error = SimmerError(
                    kind: .malformedAnswer, code: "malformed_answer",
                    message: "The answer to \(method) \(operation) is not Simmer's: \(malformed.message).", job: update
                )
            } catch let again as Again {
                error = again.error
            }
            try mustBeOpen()
            failures += 1
            let asked = answer.flatMap { $0.status >= 400 && isRefusal($0) ? retryAfterSeconds($0.headers) : nil } ?? 0
            let pause = max(asked, backoff(failures))
            let remaining = tries == nil ? left(wait) : limit(of: wait) - now()
            let isEnough: Bool
            if let tries {
                isEnough = failures >= tries || pause >= remaining || asked > longestRetryAfter
            } else {
                isEnough = remaining <= 0
            }
            if isEnough { throw error }
            try await client.time.wait(min(pause, remaining), unless: ended)
            try mustBeOpen()
        }
    }

    private func judged<Value>(_ answer: SimmerAnswer?, _ read: (SimmerAnswer) throws -> Value) throws -> Value {
        guard let answer else {
            throw Again(
                error: SimmerError(kind: .unreachable, code: "unreachable", message: "The server did not answer.", job: update)
            )
        }
        if answer.status >= 400 {
            let isOfTheMoment = [408, 425, 429].contains(answer.status) || answer.status >= 500
            let isPassing = isOfTheMoment || !isRefusal(answer)
            let problem = readProblem(answer, job: update, retryable: isPassing)
            if isPassing { throw Again(error: problem) }
            throw problem
        }
        if answer.status != 200 && answer.status != 202 { throw Malformed("it has the status \(answer.status)") }
        return try read(answer)
    }

    /// The answer, or nil when there was none; where the token is refused, once more with a new one.
    private func exchange(_ request: SimmerRequest) async throws -> SimmerAnswer? {
        let sentWith = await client.tokens.renewals
        guard case .answer(let answer)? = try await send(request, insteadOf: nil) else { return nil }
        if answer.status != 401 || !isRefusal(answer) { return answer }
        switch try await send(request, insteadOf: sentWith) {
        case .answer(let again)?: return again
        case .noToken?: return answer
        case nil: return nil
        }
    }

    private func send(_ request: SimmerRequest, insteadOf refused: Int?) async throws -> Reply? {
        let client = self.client
        do {
            return try await within(request.timeoutSeconds) { () async throws -> Reply in
                let token: String?
                if let refused {
                    token = try await client.tokens.renewed(sentWith: refused)
                    if token == nil { return .noToken }
                } else {
                    token = try await client.tokens.current()
                }
                try Task.checkCancellation() // too late: nobody waits for the answer
                var sent = request
                if let token { sent.headers["Authorization"] = "Bearer \(token)" }
                return .answer(try await client.http.exchange(sent))
            }
        } catch {
            try Task.checkCancellation()
            return nil
        }
    }

    /// Doubling, the upper half of it by chance: clients that failed together come apart.
    private func backoff(_ failures: Int) -> Double {
        min(pow(2, Double(min(failures - 1, 30))), longestBackoff) * (1 + Double.random(in: 0...1)) / 2
    }

    // MARK: Time

    private func now() -> Double { client.time.now() }

    private func begin() -> Wait { Wait(beganAt: now(), limitSeconds: client.deadlineSeconds) }

    private func limit(of wait: Wait) -> Double { wait.beganAt + (wait.limitSeconds ?? defaultDeadline) }

    private func left(_ wait: Wait) -> Double {
        let giveUpAt = wait.limitSeconds == nil ? until ?? limit(of: wait) : limit(of: wait)
        return giveUpAt - now()
    }

    /// A wrong `Date` may bring a moment too early, so the latest holds; see docs/client-rules.md.
    private func heed(_ deadline: Deadline) {
        let heardAt = now()
        let known = knownAt ?? heardAt
        knownAt = known
        let moments = [deadline.byDateSeconds.map { heardAt + $0 }, deadline.byCreationSeconds.map { known + $0 }]
        if let moment = moments.compactMap({ $0 }).min() { until = max(until ?? 0, moment + grace) }
    }
}

private struct Again: Error {
    let error: SimmerError
}

// MARK: - The wire

/// Where a job's end is told by itself.
private struct PushOffer: Sendable {
    let url: String
    let token: String
}

/// How long a job may run on, in two readings of `deadlineAt`; nil: this one cannot be had.
private struct Deadline: Sendable {
    var byDateSeconds: Double?
    var byCreationSeconds: Double?
}

/// What an update will have so long after its frame if nothing new comes of the job. Nil: what it had before.
private struct Ahead: Sendable {
    let afterSeconds: Double
    let progress: Int
    let estimatedSecondsRemaining: Int?
    let stage: String?
    let message: String?

    func after(_ update: SimmerUpdate) -> SimmerUpdate {
        var next = update
        next.progress = progress
        next.estimatedSecondsRemaining = estimatedSecondsRemaining ?? update.estimatedSecondsRemaining
        next.stage = stage ?? update.stage
        next.message = message ?? update.message
        return next
    }
}

/// A status document: the update it means, and when the server wants to be asked again.
private struct Document: Sendable {
    let update: SimmerUpdate
    var pollAfterSeconds: Double?
    let deadline: Deadline
    let parts: Parts
    let askAfterSeconds: Double? // of a frame, as the next one
    let ahead: [Ahead] // in the order of their times

    var lacksResult: Bool { update.state == .completed && update.result == nil }
}

private struct Submitted: Sendable {
    let update: SimmerUpdate
    var offer: PushOffer?
    var deadline = Deadline()
}

/// Not what the server promises; the message says what, and quotes nothing.
private struct Malformed: Error {
    let message: String

    init(_ message: String) {
        self.message = message
    }
}

private let longestJobSeconds = 86_400.0 // a `deadlineAt` further away is no deadline
private let sensibleAskMs = 1000.0...60_000.0 // another `askAfterMs` makes no sense

private let states: [String: SimmerState] = [
    "pending": .polling, "processing": .polling, "completed": .completed, "failed": .failed, "cancelled": .cancelled,
]

private func readSubmitted(_ answer: SimmerAnswer, task: String) throws -> Submitted {
    guard let fields = objectOf(answer.body) else { throw Malformed("it is no JSON object") }
    guard let jobId = fields["jobId"]?.text else { throw Malformed("it names no job") }
    if answer.status == 200 {
        guard fields["status"] == .string("completed") else { throw Malformed("its status is unknown") }
        guard let result = fields["result"]?.value else { throw Malformed("it is completed and has no result") }
        let update = SimmerUpdate(
            task: task, jobId: jobId, state: .completed, progress: 100, stage: "done",
            message: fields["message"]?.text ?? "", result: result, cached: true
        )
        return Submitted(update: update)
    }
    guard fields["status"] == .string("submitted") else { throw Malformed("its status is unknown") }
    let update = SimmerUpdate(task: task, jobId: jobId, state: .polling, message: fields["message"]?.text ?? "")
    return Submitted(update: update, offer: offerOf(fields["push"]), deadline: deadlineOf(fields, answer.headers))
}

/// What cannot be understood is no offer: polling is always there.
private func offerOf(_ push: SimmerJSON?) -> PushOffer? {
    guard let fields = push?.fields, let url = fields["url"]?.text, let token = fields["token"]?.text else { return nil }
    return PushOffer(url: url, token: token)
}

/// The answer to a status request, which has the result if it is completed.
private func readWhole(_ answer: SimmerAnswer, of job: SimmerUpdate) throws -> Document {
    if answer.status != 200 { throw Malformed("it has the status \(answer.status)") }
    var document = try readStatus(answer.body, of: job, headers: answer.headers)
    if document.lacksResult { throw Malformed("it is completed and has no result") }
    document.pollAfterSeconds = document.pollAfterSeconds ?? retryAfterSeconds(answer.headers)
    return document
}

/// A status document of that job; it may lack the result, see `Document.lacksResult`.
private func readStatus(_ body: String, of job: SimmerUpdate, headers: [String: String]) throws -> Document {
    guard let fields = objectOf(body) else { throw Malformed("it is no JSON object") }
    guard let jobId = job.jobId, fields["jobId"] == .string(jobId) else { throw Malformed("it is not about this job") }
    guard let state = fields["status"]?.text.flatMap({ states[$0] }) else { throw Malformed("its status is unknown") }
    guard let progress = fields["progress"]?.double else { throw Malformed("its progress is no number") }
    switch fields["message"] ?? .null {
    case .null, .string: break
    default: throw Malformed("its message is no text")
    }
    let isFailed = state == .failed
    var update = SimmerUpdate(task: job.task, jobId: jobId, state: state, progress: barOf(progress))
    update.stage = fields["stage"]?.text ?? ""
    update.message = fields["message"]?.text ?? ""
    update.estimatedSecondsRemaining = estimateOf(fields)
    update.estimateIsMeasured = fields["estimateIsMeasured"] == .bool(true)
    if state == .completed { update.result = fields["result"]?.value }
    if isFailed {
        update.error = fields["error"]?.text
        update.errorCode = fields["errorCode"]?.text
        update.retryable = fields["retryable"] == .bool(true)
    }
    let pollAfterMs = fields["pollAfterMs"]?.double ?? 0
    return Document(
        update: update, pollAfterSeconds: pollAfterMs > 0 ? pollAfterMs / 1000 : nil,
        deadline: deadlineOf(fields, headers), parts: partsOf(fields),
        askAfterSeconds: fields["askAfterMs"]?.double.flatMap { sensibleAskMs.contains($0) ? $0 / 1000 : nil },
        ahead: aheadOf(fields["ahead"])
    )
}

/// The entries that can be understood, with what can be understood of them.
private func aheadOf(_ entries: SimmerJSON?) -> [Ahead] {
    let understood = (entries?.items ?? []).compactMap { each -> Ahead? in
        guard let fields = each.fields, let afterMs = fields["afterMs"]?.double, afterMs > 0 else { return nil }
        guard let progress = fields["progress"]?.double else { return nil }
        return Ahead(
            afterSeconds: afterMs / 1000, progress: barOf(progress), estimatedSecondsRemaining: estimateOf(fields),
            stage: fields["stage"]?.anyText, message: fields["message"]?.anyText
        )
    }
    return understood.sorted { $0.afterSeconds < $1.afterSeconds }
}

private func barOf(_ progress: Double) -> Int { Int(min(max(progress, 0), 100)) }

private func estimateOf(_ fields: [String: SimmerJSON]) -> Int? {
    fields["estimatedSecondsRemaining"]?.double.map { Int(min(max($0, 0), 1e9)) }
}

// MARK: - An answer in parts

/// What is known of the parts of one run, which began at `runAt`; it only grows. Titles stand in the
/// outline, in the order of the result; a part is an element of the result's list.
private struct Parts: Sendable {
    var outline: [SimmerOutlineEntry] = []
    var values: [Int: SimmerJSON] = [:] // by position
    var listName = "" // of the result's list
    var runAt: Double? // seconds; nil: unknown

    var partialResult: SimmerJSON? {
        values.isEmpty ? nil : .object([listName: .array(seen.map { $0.value })])
    }

    var completeOutline: [SimmerOutlineEntry] {
        outline.map { SimmerOutlineEntry(title: $0.title, isReady: true) }
    }

    /// Whether a part is ready that was not seen: it was too large for a frame.
    var lacksSome: Bool {
        outline.indices.contains { outline[$0].isReady && values[$0] == nil }
    }

    /// The parts that are known, in their order.
    var seen: [SimmerPart] {
        values.keys.sorted().map { SimmerPart(position: $0, title: outline[$0].title, value: values[$0] ?? .null) }
    }

    /// The parts of a whole result.
    func all(of result: SimmerJSON) -> [SimmerPart] {
        let items = listOf(result, count: outline.count).items
        return items.enumerated().map { SimmerPart(position: $0.offset, title: outline[$0.offset].title, value: $0.element) }
    }

    /// With what another document says. Of an earlier run that is nothing, of a later run all there is;
    /// of this run's outline the titles never change.
    func grown(by other: Parts) -> Parts {
        if let mine = runAt, let theirs = other.runAt, mine != theirs { return theirs > mine ? other : self }
        var grown = outline.isEmpty ? other : self
        grown.runAt = runAt ?? other.runAt
        if outline.isEmpty || outline.map({ $0.title }) != other.outline.map({ $0.title }) { return grown }
        grown.outline = zip(outline, other.outline).map { $0.isReady ? $0 : $1 }
        grown.listName = listName.isEmpty ? other.listName : listName
        if other.listName == grown.listName { grown.values = other.values.merging(values) { _, shown in shown } }
        return grown
    }
}

/// What is not as promised is as good as absent.
private func partsOf(_ fields: [String: SimmerJSON]) -> Parts {
    let outline = outlineOf(fields["outline"])
    let ready = outline.indices.filter { outline[$0].isReady }
    let (name, items) = listOf(fields["partialResult"] ?? .null, count: ready.count)
    return Parts(
        outline: outline, values: Dictionary(uniqueKeysWithValues: zip(ready, items)), listName: name,
        runAt: isoSeconds(fields["createdAt"])
    )
}

private func outlineOf(_ outline: SimmerJSON?) -> [SimmerOutlineEntry] {
    var entries: [SimmerOutlineEntry] = []
    for each in outline?.items ?? [] {
        guard let title = each.fields?["title"]?.text, let state = each.fields?["state"]?.text else { return [] }
        guard state == "waiting" || state == "ready" else { return [] }
        entries.append(SimmerOutlineEntry(title: title, isReady: state == "ready"))
    }
    return entries
}

/// The name and the elements of the one list of that length; empty if there is no such one.
private func listOf(_ result: SimmerJSON, count: Int) -> (name: String, items: [SimmerJSON]) {
    var found: [(name: String, items: [SimmerJSON])] = []
    for (name, value) in result.fields ?? [:] {
        if case .array(let items) = value, items.count == count, count > 0 { found.append((name: name, items: items)) }
    }
    return found.count == 1 ? found[0] : (name: "", items: [])
}

// MARK: - Deadlines and refusals

/// The phone's time of day has no part in it: it may be wrong, and it may jump.
private func deadlineOf(_ fields: [String: SimmerJSON], _ headers: [String: String]) -> Deadline {
    let until = isoSeconds(fields["deadlineAt"])
    return Deadline(
        byDateSeconds: between(httpDateSeconds(headers["date"]), until),
        byCreationSeconds: between(isoSeconds(fields["createdAt"]), until)
    )
}

/// Nil where it makes no sense of a job that is open.
private func between(_ start: Double?, _ end: Double?) -> Double? {
    guard let start, let end else { return nil }
    let seconds = end - start
    return seconds > 0 && seconds <= longestJobSeconds ? seconds : nil
}

/// Whether a 4xx is the API's own, or its gateway's: proxies and login pages have theirs.
private func isRefusal(_ answer: SimmerAnswer) -> Bool {
    guard let fields = objectOf(answer.body) else { return false }
    return ["code", "title", "detail", "message"].contains { fields[$0]?.text != nil }
}

private let gatewayCodes = [401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "too_many_requests"]

private func readProblem(_ answer: SimmerAnswer, job: SimmerUpdate, retryable: Bool) -> SimmerError {
    let fields = objectOf(answer.body) ?? [:]
    let words = ["detail", "title", "message"].compactMap { fields[$0]?.text }.first
    let errors = (fields["errors"]?.items ?? []).compactMap { each -> SimmerFieldError? in
        guard let error = each.fields, case .string(let field)? = error["field"], let message = error["message"]?.text
        else { return nil }
        return SimmerFieldError(field: field, message: message)
    }
    return SimmerError(
        kind: .requestRefused,
        code: fields["code"]?.text ?? gatewayCodes[answer.status] ?? "http_\(answer.status)",
        message: words ?? "The server answered with HTTP status \(answer.status).",
        job: job, retryable: retryable, status: answer.status, errors: errors
    )
}

/// `Retry-After`, in either of its forms; a date is taken by the server's own clock.
private func retryAfterSeconds(_ headers: [String: String]) -> Double? {
    let value = (headers["retry-after"] ?? "").trimmingCharacters(in: .whitespaces)
    if (1...9).contains(value.utf8.count), value.utf8.allSatisfy({ (48...57).contains($0) }) { return Double(value) }
    guard let until = httpDateSeconds(value), let now = httpDateSeconds(headers["date"]) else { return nil }
    return max(until - now, 0)
}

private func objectOf(_ body: String) -> [String: SimmerJSON]? {
    (try? JSONDecoder().decode(SimmerJSON.self, from: Data(body.utf8)))?.fields
}

private let unreserved = CharacterSet(
    charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)

private func quoted(_ part: String) -> String {
    part.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
}

// MARK: - Times, as seconds since 1970. `DateFormatter` knows the phone's calendar, and forgives.

private let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

private func isoSeconds(_ value: SimmerJSON?) -> Double? {
    guard let text = value?.text, text.hasSuffix("Z") else { return nil }
    let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let found = numbers(parts[0], like: "9999-99-99T99:99:99") else { return nil }
    guard let whole = seconds(found[0], found[1], found[2], Array(found[3...])) else { return nil }
    if parts.count == 1 { return whole }
    guard (1...9).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Double("0.\(parts[1])").map { whole + $0 }
}

private func httpDateSeconds(_ value: String?) -> Double? {
    let text = (value ?? "").trimmingCharacters(in: .whitespaces)
    let parts = text.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[0].utf8.count == 4, parts[0].hasSuffix(","), parts[5] == "GMT" else { return nil }
    guard let month = months.firstIndex(of: String(parts[2])) else { return nil }
    guard let day = numbers(parts[1], like: "99"), let year = numbers(parts[3], like: "9999"),
          let time = numbers(parts[4], like: "99:99:99")
    else { return nil }
    return seconds(year[0], month + 1, day[0], time)
}

/// The numbers of a text that looks exactly like that, where 9 is any digit.
private func numbers(_ text: Substring, like pattern: String) -> [Int]? {
    guard text.utf8.count == pattern.utf8.count else { return nil }
    var found: [Int] = []
    var isInNumber = false
    for (byte, wanted) in zip(text.utf8, pattern.utf8) {
        if wanted == UInt8(ascii: "9") {
            guard (48...57).contains(byte) else { return nil }
            let digit = Int(byte) - 48
            if isInNumber {
                found[found.count - 1] = found[found.count - 1] * 10 + digit
            } else {
                found.append(digit)
            }
            isInNumber = true
        } else {
            guard byte == wanted else { return nil }
            isInNumber = false
        }
    }
    return found
}

private func seconds(_ fullYear: Int, _ month: Int, _ day: Int, _ time: [Int]) -> Double? {
    guard (1...12).contains(month), (1...31).contains(day), time[0] <= 23, time[1] <= 59, time[2] <= 60 else { return nil }
    // Days from the civil calendar, years beginning in March (Howard Hinnant, date algorithms).
    let year = fullYear - (month <= 2 ? 1 : 0)
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    let days = year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
    return Double(days * 86_400 + time[0] * 3600 + time[1] * 60 + time[2])
}
