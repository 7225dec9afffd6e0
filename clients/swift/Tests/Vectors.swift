/// clients/vectors, run against the Swift client in virtual time:
/// `swiftc Simmer.swift Tests/Vectors.swift -parse-as-library -o /tmp/vectors && /tmp/vectors ../vectors`.
///
/// Prints what is wrong, and how many hold; the exit code is 1 if one does not.

import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

private struct Wrong: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension SimmerJSON {
    subscript(name: String) -> SimmerJSON? {
        guard case .object(let fields) = self, let value = fields[name], value != .null else { return nil }
        return value
    }

    func has(_ name: String) -> Bool {
        guard case .object(let fields) = self else { return false }
        return fields[name] != nil
    }

    var list: [SimmerJSON] {
        guard case .array(let items) = self else { return [] }
        return items
    }

    var names: [String: SimmerJSON] {
        guard case .object(let fields) = self else { return [:] }
        return fields
    }

    var asText: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    var asSeconds: Double? {
        switch self {
        case .integer(let value): return Double(value)
        case .number(let value): return value
        default: return nil
        }
    }

    var written: String {
        let data = try? JSONEncoder().encode(self)
        return data.flatMap { String(data: $0, encoding: .utf8) } ?? "?"
    }
}

private let start = 5000.0

private struct Step {
    let what: String
    let after: Double
}

/// What a vector says of the network, and what a client did in it. One task at a time uses it; the lock
/// is for the compiler's sake.
private final class Scripted: SimmerHTTP, SimmerPush, SimmerSocket, SimmerTime, @unchecked Sendable {
    let vector: SimmerJSON
    private let lock = NSRecursiveLock()
    private(set) var steps: [Step] = []
    private(set) var requests: [SimmerRequest] = []
    private(set) var updates: [SimmerJSON] = []
    private(set) var outlines: [SimmerJSON] = []
    private(set) var estimates: [SimmerJSON] = []
    private(set) var moments: [(at: Double, seen: [SimmerJSON])] = []
    private(set) var parts: [SimmerJSON] = []
    private(set) var partialResult: SimmerJSON? // of the last update
    private(set) var lastAt = start
    private(set) var clock = start
    private var wrong: String?
    private var subscriptions = 0
    private var frames: [(at: Double, entry: SimmerJSON)] = []
    private var tokensGiven = 0
    private var tokensAsked = 0
    private var tokensRenewed = 0
    private var isCancelled = false
    private var isClosed = false
    private var cancelAt: Double?
    private var owner: SimmerJob?

    init(_ vector: SimmerJSON) {
        self.vector = vector
        cancelAt = vector["do"]?["cancelAfter"]?.asSeconds.map { start + $0 }
    }

    func owns(_ job: SimmerJob) {
        alone { owner = job }
    }

    /// Whether the job's owner cancels it while its follower waits; it is cancelled, then.
    private func wasCancelled(within seconds: Double) async -> Bool {
        let job: SimmerJob? = alone {
            guard let at = cancelAt, at <= clock + seconds else { return nil }
            cancelAt = nil
            clock = at
            return owner
        }
        guard let job else { return false }
        _ = try? await job.cancel()
        return true
    }

    private func alone<Value>(_ act: () throws -> Value) rethrows -> Value {
        lock.lock()
        defer { lock.unlock() }
        return try act()
    }

    /// What the client did that no vector allows; a client may swallow what is thrown at it.
    func complaint() -> String? {
        alone { wrong }
    }

    private func step(_ what: String) throws {
        if steps.count > 5000 {
            wrong = "it goes on for ever"
            throw CancellationError()
        }
        steps.append(Step(what: what, after: clock - lastAt))
        lastAt = clock
    }

    func now() -> Double {
        alone { clock }
    }

    func wait(_ seconds: Double, unless ended: SimmerSignal) async throws {
        if ended.hasFired { return }
        if await wasCancelled(within: seconds) { return }
        alone {
            if seconds <= 0 { wrong = "a pause of \(seconds) s" }
            clock += seconds
        }
    }

    func token(_ renew: Bool) throws -> String? {
        try alone {
            let kind = vector["client"]?["token"]?.asText ?? "fixed"
            if !["fixed", "renewable", "throws", "hangs", "renewal throws"].contains(kind) {
                wrong = "this test does not know a token that is \(kind)"
            }
            tokensAsked += 1
            if renew { tokensRenewed += 1 }
            if kind == "throws" && tokensAsked == 1 || kind == "renewal throws" && renew && tokensRenewed == 1 {
                throw URLError(.notConnectedToInternet)
            }
            if kind == "hangs" && tokensAsked == 1 {
                clock += 15
                throw URLError(.timedOut)
            }
            if !renew { return "token-\(tokensGiven)" }
            if kind == "fixed" { return nil }
            tokensGiven += 1
            return "token-\(tokensGiven)"
        }
    }

    func exchange(_ request: SimmerRequest) async throws -> SimmerAnswer {
        try alone { try answer(to: request) }
    }

    private func answer(to request: SimmerRequest) throws -> SimmerAnswer {
        let path = request.url.path.split(separator: "/")
        try step("\(request.method) \(path[1])")
        let answers = vector["answers"]?.list ?? []
        let given = answers[min(requests.count, answers.count - 1)] // the last one stays
        requests.append(request)
        if given["lost"] == .bool(true) { throw URLError(.networkConnectionLost) }
        if given["hang"] == .bool(true) {
            clock += request.timeoutSeconds
            throw URLError(.timedOut)
        }
        var headers: [String: String] = [:]
        if let date = given.has("date") ? given["date"]?.asText : httpDate() { headers["date"] = date }
        for (name, value) in given["headers"]?.names ?? [:] { headers[name.lowercased()] = value.asText }
        let body = given["text"]?.asText ?? given.names["body"]?.written ?? ""
        return SimmerAnswer(status: Int(given["status"]?.asSeconds ?? 0), headers: headers, body: body)
    }

    private func httpDate() -> String {
        let at = 36_000 + Int(clock - start) // 10:00:00, counted from that midnight
        let time = [at / 3600, at / 60 % 60, at % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }
        return "Wed, 25 Nov 2026 \(time.joined(separator: ":")) GMT"
    }

    func connect(_ url: URL, within seconds: Double) async throws -> any SimmerSocket {
        try alone {
            try step("connect")
            switch vector["socket"]?["connect"]?.asText ?? "fails" {
            case "opens": return
            case "throws": throw Wrong("no sockets here")
            case "hangs": clock += seconds
            case "redirects": break // it is for the transport not to follow it
            default: break
            }
            throw URLError(.cannotConnectToHost)
        }
        return self
    }

    func send(_ text: String) async throws {
        try alone {
            try step("subscribe")
            let wanted: [String: SimmerJSON] = [
                "action": .string("subscribe"), "jobId": .string("7"), "token": .string("push-token"),
            ]
            let sent = try? JSONDecoder().decode(SimmerJSON.self, from: Data(text.utf8))
            if sent != .object(wanted) { wrong = "it subscribes with \(text)" }
            let lists = vector["socket"]?["subscriptions"]?.list ?? []
            guard subscriptions < lists.count else { return }
            for entry in lists[subscriptions].list {
                frames.append((at: clock + (entry["afterSeconds"]?.asSeconds ?? 0), entry: entry))
            }
            subscriptions += 1
        }
    }

    func receive(within seconds: Double) async throws -> String? {
        let waits = alone { min(seconds, frames.first.map { $0.at - clock } ?? seconds) }
        _ = await wasCancelled(within: waits)
        return try alone {
            if isClosed { throw URLError(.networkConnectionLost) }
            if seconds <= 0 { wrong = "\(seconds) s to receive" }
            guard let next = frames.first, next.at <= clock + seconds else {
                clock += seconds
                return nil
            }
            frames.removeFirst()
            clock = max(clock, next.at)
            if next.entry["close"] == .bool(true) || next.entry["binary"] == .bool(true) {
                throw URLError(.networkConnectionLost)
            }
            return next.entry["text"]?.asText ?? next.entry["json"]?.written
        }
    }

    func close() {
        alone { isClosed = true }
    }

    func take(_ part: SimmerPart) {
        alone { parts.append(.array([.integer(part.position), part.value])) }
    }

    /// Whether it is now that the follower's owner cancels.
    func show(_ update: SimmerUpdate) -> Bool {
        alone {
            let outline = update.outline.map { SimmerJSON.array([.string($0.title), .string($0.isReady ? "ready" : "waiting")]) }
            if !outline.isEmpty && outlines.last != .array(outline) { outlines.append(.array(outline)) }
            partialResult = update.partialResult
            if update.state.isTerminal { return false }
            if let seconds = update.estimatedSecondsRemaining {
                let estimate = SimmerJSON.array([.integer(seconds), .bool(update.estimateIsMeasured)])
                if estimates.last != estimate { estimates.append(estimate) }
            }
            let moment: [SimmerJSON] = [.integer(update.progress), .string(update.stage), .string(update.message)]
            if !update.stage.isEmpty && moments.last?.seen != moment { moments.append((at: clock - start, seen: moment)) }
            let seen = SimmerJSON.array([.string(update.state.rawValue), .integer(update.progress)])
            if updates.last != seen { updates.append(seen) }
            if isCancelled || vector["do"]?["cancelWhen"] != seen { return false }
            isCancelled = true
            return true
        }
    }
}

/// The end, as a vector writes it.
private func follow(_ world: Scripted) async throws -> SimmerJSON {
    let said = world.vector["client"] ?? .object([:])
    let client = SimmerClient(
        said["api"]?.asText ?? "https://api.test",
        push: said["push"] == .bool(false) ? nil : world,
        deadlineSeconds: said["deadlineSeconds"]?.asSeconds,
        http: world,
        time: world,
        token: { renew in try world.token(renew) }
    )
    let job: SimmerJob
    if let submit = world.vector["do"]?["submit"] {
        job = try client.job(
            "recipe", submit["body"] ?? .null, fresh: submit["fresh"] == .bool(true),
            idempotencyKey: submit["idempotencyKey"]?.asText
        )
    } else {
        job = client.resume("recipe", world.vector["do"]?["resume"]?.asText ?? "")
    }
    world.owns(job)
    do {
        let ended = try await job.follow { update in
            if world.show(update) { _ = try? await job.cancel() }
        } onPart: { part in
            world.take(part)
        }
        return .object(["completed": ended.result ?? .null])
    } catch let error as SimmerError {
        return named(error, expected: world.vector["expect"]?["end"] ?? .null)
    }
}

private func named(_ error: SimmerError, expected: SimmerJSON) -> SimmerJSON {
    switch error.kind {
    case .jobFailed: return .object(["failed": .string(error.code)])
    case .jobCancelled: return .object(["cancelled": .object(["goesOn": .bool(error.job.goesOn)])])
    case .requestRefused:
        var end: [String: SimmerJSON] = ["refused": .integer(error.status ?? 0)]
        if expected.has("code") { end["code"] = .string(error.code) }
        return .object(end)
    case .malformedAnswer: return .object(["malformed": .bool(true)])
    case .unreachable: return .object(["unreachable": .bool(true)])
    case .deadlineExceeded: return .object(["deadline": .bool(true)])
    }
}

private func complaints(_ world: Scripted, _ end: SimmerJSON) -> [String] {
    let expect = world.vector["expect"] ?? .null
    let known: Set<String> = [
        "steps", "updates", "outlines", "parts", "partialResult", "estimates", "moments", "end", "endsAfter", "headers",
        "bearers",
    ]
    var wrong = expect.names.keys.filter { !known.contains($0) }.map { "this test does not know `\($0)`" }
    if let complaint = world.complaint() { wrong.append(complaint) }
    let steps = expect["steps"]?.list ?? []
    let wanted = steps.map { $0.list[0].asText ?? "?" }
    let there = world.steps.map { $0.what }
    if there != wanted { wrong.append("steps: \(there) instead of \(wanted)") }
    for (step, expected) in zip(world.steps, steps) {
        let bounds = expected.list[1]
        let least = bounds.asSeconds ?? bounds.list.first?.asSeconds ?? 0
        let most = bounds.asSeconds ?? bounds.list.last?.asSeconds ?? 0
        if step.after < least - 0.001 || step.after > most + 0.001 { wrong.append("\(step.what): after \(step.after) s") }
    }
    let updates = SimmerJSON.array(world.updates)
    if updates != expect["updates"] { wrong.append("updates: \(updates.written)") }
    if world.outlines != (expect["outlines"]?.list ?? []) { wrong.append("outlines: \(SimmerJSON.array(world.outlines).written)") }
    if world.parts != (expect["parts"]?.list ?? []) { wrong.append("parts: \(SimmerJSON.array(world.parts).written)") }
    if world.partialResult != expect["partialResult"] { wrong.append("partialResult: \(world.partialResult?.written ?? "none")") }
    if let estimates = expect["estimates"]?.list, world.estimates != estimates {
        wrong.append("estimates: \(SimmerJSON.array(world.estimates).written)")
    }
    if let moments = expect["moments"]?.list {
        if world.moments.map({ $0.seen }) != moments.map({ Array($0.list.dropFirst()) }) {
            wrong.append("moments: \(SimmerJSON.array(world.moments.map { .array($0.seen) }).written)")
        }
        for (moment, wanted) in zip(world.moments, moments) where abs(moment.at - (wanted.list[0].asSeconds ?? -1)) > 0.001 {
            wrong.append("a moment at \(moment.at) s instead of \(wanted.list[0].written)")
        }
    }
    if end != expect["end"] { wrong.append("end: \(end.written) instead of \(expect["end"]?.written ?? "?")") }
    let endedAfter = world.clock - world.lastAt
    if let endsAfter = expect["endsAfter"]?.asSeconds, abs(endedAfter - endsAfter) > 0.001 {
        wrong.append("ends after \(endedAfter) s")
    }
    return wrong + headerComplaints(world, expect)
}

private func headerComplaints(_ world: Scripted, _ expect: SimmerJSON) -> [String] {
    var wrong: [String] = []
    for (at, headers) in (expect["headers"]?.list ?? []).enumerated() {
        for (name, value) in headers.names {
            let there = header(world.requests[at], name)
            let isRight: Bool
            switch value {
            case .string("UUID"): isRight = there.flatMap { UUID(uuidString: $0) } != nil && there == there?.lowercased()
            case .string("same"): isRight = there == header(world.requests[at - 1], name)
            default: isRight = there == value.asText
            }
            if !isRight { wrong.append("header \(name) of request \(at): \(there ?? "none")") }
        }
    }
    if let bearers = expect["bearers"]?.list {
        let there = world.requests.map { header($0, "Authorization") ?? "none" }
        if there != bearers.map({ "Bearer \($0.asText ?? "?")" }) { wrong.append("bearers: \(there)") }
    }
    return wrong
}

private func header(_ request: SimmerRequest, _ name: String) -> String? {
    request.headers.first { $0.key.lowercased() == name.lowercased() }?.value
}

/// A server that answers each request by a function; it remembers what it was asked.
private final class Server: SimmerHTTP, @unchecked Sendable {
    private let lock = NSLock()
    private let answer: @Sendable (SimmerRequest, Int) -> SimmerAnswer
    private var requests: [String] = []

    init(_ answer: @escaping @Sendable (SimmerRequest, Int) -> SimmerAnswer) {
        self.answer = answer
    }

    var asked: [String] {
        lock.lock()
        defer { lock.unlock() }
        return requests
    }

    func exchange(_ request: SimmerRequest) async throws -> SimmerAnswer {
        let count = remember(request)
        await Task.yield() // so that others are under way
        return answer(request, count)
    }

    private func remember(_ request: SimmerRequest) -> Int {
        lock.lock()
        defer { lock.unlock() }
        requests.append("\(request.method) \(request.url.path)")
        return requests.count
    }
}

private actor Counter {
    private(set) var count = 0

    func add() {
        count += 1
    }
}

private func status(_ jobId: String, _ word: String, _ more: String = "\"result\": {}") -> SimmerAnswer {
    let body = "{\"jobId\": \"\(jobId)\", \"status\": \"\(word)\", \"progress\": 10, \(more)}"
    return SimmerAnswer(status: 200, headers: [:], body: body)
}

private func client(_ server: Server, _ token: @escaping SimmerTokenSource) -> SimmerClient {
    SimmerClient("https://api.test", push: nil, http: server, time: Scripted(.null), token: token)
}

@Sendable private func singleRenewal() async throws -> String? {
    let renewals = Counter()
    let server = Server { request, _ in
        if header(request, "Authorization") == "Bearer new" { return status(request.url.lastPathComponent, "completed") }
        return SimmerAnswer(status: 401, headers: [:], body: "{\"message\": \"Unauthorized\"}")
    }
    let one = client(server) { renew in
        await Task.yield()
        if renew { await renewals.add() }
        return await renewals.count == 0 ? "old" : "new"
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
        for id in 0..<10 {
            group.addTask { _ = try await one.resume("recipe", "\(id)").follow() }
        }
        try await group.waitForAll()
    }
    let count = await renewals.count
    return count == 1 ? nil : "\(count) new tokens were asked for"
}

@Sendable private func leave() async throws -> String? {
    let open = Server { _, _ in status("7", "processing") }
    for try await update in client(open, { _ in "token" }).resume("recipe", "7").updates() {
        if update.progress == 10 { break }
    }
    let left = Server { _, _ in status("7", "processing") }
    let following = Task {
        try await client(left, { _ in "token" }).resume("recipe", "7").follow { update in
            if update.progress == 10 { withUnsafeCurrentTask { $0?.cancel() } } // at a moment that is no race
        }
    }
    do {
        _ = try await following.value
        return "a cancelled task went on"
    } catch is CancellationError {
        if left.asked.count != 1 { return "a cancelled task asked: \(left.asked)" }
    }
    let ending = Server { _, _ in status("7", "completed") }
    let other = try await client(ending, { _ in "token" }).resume("recipe", "7").follow()
    let asked = open.asked + left.asked + ending.asked
    let isAlone = asked.allSatisfy { $0 == "GET /recipe/status/7" }
    return other.state == .completed && isAlone ? nil : "it was not left alone: \(asked)"
}

@Sendable private func errorNames() async throws -> String? {
    let server = Server { _, _ in status("7", "failed", "\"error\": \"No.\", \"errorCode\": \"refused\", \"retryable\": false") }
    do {
        try await client(server) { _ in "secret-token" }.resume("recipe", "7").follow()
        return "nothing is thrown"
    } catch let error as SimmerError {
        let isWhole = error.kind == .jobFailed && error.known == .refused && error.job.jobId == "7" && !error.retryable
        return isWhole && !"\(error)".contains("secret-token") ? nil : "\(error)"
    }
}

private let ownChecks: [(rule: String, check: @Sendable () async throws -> String?)] = [
    (rule: "single-renewal", check: singleRenewal),
    (rule: "leave", check: leave),
    (rule: "error-names", check: errorNames),
]

@main
struct Vectors {
    static func main() async throws {
        let folder = URL(fileURLWithPath: CommandLine.arguments.dropFirst().first ?? "../vectors")
        let found = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        let files = found.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }
        var hold = 0
        var fail = 0
        for file in files {
            let read = try JSONDecoder().decode(SimmerJSON.self, from: Data(contentsOf: file))
            for vector in read["vectors"]?.list ?? [] {
                let wrong = await tried(vector)
                if wrong.isEmpty {
                    hold += 1
                } else {
                    fail += 1
                    print("\(vector["name"]?.asText ?? "?"): \(wrong.joined(separator: "; "))")
                }
            }
        }
        for own in ownChecks {
            var wrong: String?
            do {
                wrong = try await own.check()
            } catch {
                wrong = "\(error)"
            }
            if let wrong {
                fail += 1
                print("\(own.rule): \(wrong)")
            } else {
                hold += 1
            }
        }
        print("\(hold) hold, \(fail) do not")
        exit(fail == 0 && hold > 0 ? 0 : 1)
    }

    private static func tried(_ vector: SimmerJSON) async -> [String] {
        let world = Scripted(vector)
        do {
            return complaints(world, try await follow(world))
        } catch {
            return ["\(error)"]
        }
    }
}
