/// A client of Simmer for Flutter and Dart: copy this one file. It needs `dart:io` and nothing else.
///
/// It keeps the rules of docs/client-rules.md, in their order.
library;

import 'dart:async';
import 'dart:convert';
import 'dart:io';
import 'dart:math';
import 'dart:typed_data' show BytesBuilder;

// ── What an app sees ──────────────────────────────────────────────────────────────────────────

/// ```
/// idle ──▶ submitting ──▶ polling ──▶ completed | failed | cancelled
///              └── answered before ──▶ completed
/// ```
/// `polling` means that the server has the job; also while it is pushed.
enum JobState {
  idle,
  submitting,
  polling,
  completed,
  failed,
  cancelled;

  bool get isTerminal => this == completed || this == failed || this == cancelled;
}

/// The title of one part of an answer that is made in parts.
class OutlineEntry {
  const OutlineEntry(this.title, {required this.isReady});

  final String title;

  /// Whether the part was validated; else it is still to come.
  final bool isReady;
}

/// One part: its position in the outline, from 0, and the JSON that will be in the result.
class Part {
  const Part(this.position, this.title, this.value);

  final int position;
  final String title;
  final Object? value;
}

/// One moment of a job. `progress` is 0 to 100 and never below that of an earlier update; a part that
/// was shown in one is in those that come after it.
class Update {
  const Update({
    required this.task,
    this.jobId,
    this.state = JobState.idle,
    this.progress = 0,
    this.stage = '',
    this.message = '',
    this.estimatedSecondsRemaining,
    this.estimateIsMeasured = false,
    this.outline = const [],
    this.partialResult,
    this.result,
    this.cached = false,
    this.error,
    this.errorCode,
    this.retryable = false,
    this.goesOn = false,
  });

  final String task;

  /// Null until the server has accepted the job. Keep it: `resume` goes on with it.
  final String? jobId;
  final JobState state;
  final int progress;

  /// `queued`, `analyzing`, `generating`, `done`, or empty.
  final String stage;

  /// For the user, in the request's language.
  final String message;
  final int? estimatedSecondsRemaining;

  /// Whether past jobs tell that; else it is a guess.
  final bool estimateIsMeasured;

  /// A title for each part, as soon as they are known; empty for an answer in one piece.
  final List<OutlineEntry> outline;

  /// Open or failed: the result, with the parts that are there; null without any.
  final Object? partialResult;

  /// Completed: the task's JSON, as `jsonDecode` gives it.
  final Object? result;

  /// Completed without any work: it was answered before.
  final bool cached;

  /// Failed: a sentence for the user.
  final String? error;
  final String? errorCode;
  final bool retryable;

  /// Cancelled for this user alone: others wait for the job, and it goes on.
  final bool goesOn;

  Update _copy({
    String? jobId,
    JobState? state,
    int? progress,
    String? stage,
    String? message,
    int? estimatedSecondsRemaining,
    List<OutlineEntry>? outline,
    Object? partialResult,
  }) =>
      Update(
        task: task,
        jobId: jobId ?? this.jobId,
        state: state ?? this.state,
        progress: progress ?? this.progress,
        stage: stage ?? this.stage,
        message: message ?? this.message,
        estimatedSecondsRemaining: estimatedSecondsRemaining ?? this.estimatedSecondsRemaining,
        estimateIsMeasured: estimateIsMeasured,
        outline: outline ?? this.outline,
        partialResult: partialResult ?? this.partialResult,
        result: result,
        cached: cached,
        error: error,
        errorCode: errorCode,
        retryable: retryable,
        goesOn: goesOn,
      );
}

/// One complaint about one field: [field] is a dotted path, empty for the whole body.
class FieldError {
  const FieldError(this.field, this.message);

  final String field;
  final String message;
}

/// The codes that were known when this file was written. A server may have others.
enum SimmerCode {
  // Of a job that failed.
  invalidOutput('invalid_output'),
  refused('refused'),
  modelUnavailable('model_unavailable'),
  deadlineExceeded('deadline_exceeded'),
  budgetExceeded('budget_exceeded'),
  internal('internal'),
  // Of a refusal.
  malformedJson('malformed_json'),
  invalidIdempotencyKey('invalid_idempotency_key'),
  invalidToken('invalid_token'),
  invalidPushToken('invalid_push_token'),
  unknownTask('unknown_task'),
  jobNotFound('job_not_found'),
  requestTooLarge('request_too_large'),
  unsupportedMediaType('unsupported_media_type'),
  invalidRequest('invalid_request'),
  idempotencyKeyReused('idempotency_key_reused'),
  quotaExceeded('quota_exceeded'),
  tooManyJobs('too_many_jobs'),
  tooManySubscribers('too_many_subscribers'),
  dependencyUnavailable('dependency_unavailable'),
  // Of a refusal, where the gateway gave none.
  unauthorized('unauthorized'),
  forbidden('forbidden'),
  notFound('not_found'),
  tooManyRequests('too_many_requests'),
  // The client's own.
  cancelled('cancelled'),
  malformedAnswer('malformed_answer'),
  unreachable('unreachable'),
  clientDeadline('client_deadline');

  const SimmerCode(this.word);

  final String word;
}

/// Whatever ended a wait. [code] is stable and for programs; [job] is the job as it was last seen.
/// None holds a token.
sealed class SimmerException implements Exception {
  const SimmerException(this.message, this.code, this.job, {this.retryable = true});

  final String message;
  final String code;

  /// [code] as one of those that are known here; null for another.
  SimmerCode? get known {
    for (final each in SimmerCode.values) {
      if (each.word == code) return each;
    }
    return null;
  }

  final Update job;

  /// Whether to try again may help.
  final bool retryable;

  @override
  String toString() => '$message ($code)';
}

/// The job ended without a result. The message is the server's sentence for the user.
class JobFailed extends SimmerException {
  JobFailed(Update job)
      : super(job.error ?? 'The job failed.', job.errorCode ?? 'internal', job, retryable: job.retryable);
}

/// The job was cancelled, or left ([goesOn]), by whoever.
class JobCancelled extends SimmerException {
  JobCancelled(Update job)
      : super(
          job.goesOn ? 'The job was left, and goes on for others who wait for it.' : 'The job was cancelled.',
          'cancelled',
          job,
          retryable: false,
        );

  bool get goesOn => job.goesOn;
}

/// The API, or its gateway, said no; [status] is the HTTP status.
class RequestRefused extends SimmerException {
  const RequestRefused(
    super.message,
    super.code,
    super.job, {
    required this.status,
    required this.errors,
    required super.retryable,
  });

  final int status;
  final List<FieldError> errors;
}

/// No answer of the API's own came, however often it was asked: a login page, a proxy.
class MalformedAnswer extends SimmerException {
  const MalformedAnswer(String message, Update job) : super(message, 'malformed_answer', job);
}

/// No answer, however often it was asked.
class Unreachable extends SimmerException {
  const Unreachable(Update job) : super('The server did not answer.', 'unreachable', job);
}

/// Still open at the last look. The job may go on: `resume` its id.
class DeadlineExceeded extends SimmerException {
  const DeadlineExceeded(Update job)
      : super('The job has not ended within the time for it.', 'client_deadline', job);
}

/// Gives the token. With [renew] the last one was refused: get a new one, or null if there is none to
/// be had. It has a request's 15 s, so it must not ask the user; what it throws is passing trouble.
typedef TokenSource = FutureOr<String?> Function({required bool renew});

/// A client of one deployment; one is enough for an app.
///
/// [push]: how to open a socket; null means that jobs are polled. [deadline]: a limit of the caller's
/// own for each wait; null means the server's deadline for the job.
class SimmerClient {
  SimmerClient(
    String baseUrl, {
    required TokenSource token,
    PushTransport? push = const IoPushTransport(),
    Duration? deadline,
    HttpTransport? http,
    Time? time,
  })  : _base = baseUrl.replaceFirst(RegExp(r'/+$'), ''),
        _push = push,
        _deadlineSeconds = deadline == null ? null : deadline.inMicroseconds / 1e6,
        _http = http ?? IoHttpTransport(),
        _time = time ?? RealTime() {
    final scheme = Uri.parse(baseUrl).scheme;
    if (scheme != 'https' && scheme != 'http') throw ArgumentError.value(baseUrl, 'baseUrl', 'begins with https://');
    if (deadline != null && deadline <= Duration.zero) throw ArgumentError.value(deadline, 'deadline', 'is more than none');
    _isSecure = scheme == 'https';
    _tokens = _Tokens(token, _time);
  }

  final String _base;
  final PushTransport? _push;
  final double? _deadlineSeconds;
  final HttpTransport _http;
  final Time _time;
  late final bool _isSecure;
  late final _Tokens _tokens;

  /// A job that is sent when it is followed. [body] is a map, or has a `toJson`.
  /// The same request is the same job; [fresh] asks for a job of its own.
  Job job(String task, Object? body, {bool fresh = false, String? idempotencyKey}) {
    final key = idempotencyKey ?? (fresh ? _uuid() : null);
    final plain = _withoutNulls(jsonDecode(jsonEncode(body)));
    return Job._(_Following(this, Update(task: task), jsonEncode(plain), key));
  }

  /// A job that was submitted before, perhaps before the app was closed.
  Job resume(String task, String jobId) =>
      Job._(_Following(this, Update(task: task, jobId: jobId, state: JobState.polling), '', null));
}

/// One job. [updates] or [follow] follow it, one at a time; [cancel] may be called at any time.
class Job {
  Job._(this._following);

  final _Following _following;

  /// The job as it was last seen.
  Update get last => _following.update;

  /// Submits the job, unless that is done, and follows it to its end: the completed job, or a
  /// [SimmerException]. After [leave] it is the job as it stands. [onUpdate] is given every change,
  /// [onPart] each part of an answer in parts, once, as it comes.
  Future<Update> follow({
    FutureOr<void> Function(Update)? onUpdate,
    FutureOr<void> Function(Part)? onPart,
  }) async {
    await _following.follow((update) async {
      await onUpdate?.call(update);
      for (final part in _following.newParts()) {
        await onPart?.call(part);
      }
    });
    return _following.outcome();
  }

  /// Every change, the terminal one last; a [SimmerException] where there is none. To cancel the
  /// subscription stops following and leaves the job alone.
  Stream<Update> updates() {
    late final StreamController<Update> controller;
    var isWanted = true;
    Future<void> run() async {
      try {
        await _following.follow((update) {
          if (isWanted) controller.add(update);
        });
      } on SimmerException catch (error, trace) {
        if (isWanted) controller.addError(error, trace);
      }
      if (isWanted) await controller.close();
    }

    controller = StreamController<Update>(
      onListen: () => unawaited(run()),
      onCancel: () {
        isWanted = false;
        leave();
      },
    );
    return controller.stream;
  }

  /// Sends the request, unless that is done.
  Future<Update> submit() async {
    await _following.submit();
    return last;
  }

  /// Asks for the status once.
  Future<Update> get() async {
    await _following.get();
    return last;
  }

  /// Takes this user off the job, on all devices; it goes on for others ([Update.goesOn]).
  Future<Update> cancel() async {
    await _following.cancel();
    return last;
  }

  /// Stops following at once, and leaves the job alone.
  void leave() => _following.stop();
}

// ── What the client needs of the platform ─────────────────────────────────────────────────────

/// One HTTP answer; the names of [headers] are in lower case.
class Answer {
  const Answer(this.status, this.headers, this.body);

  final int status;
  final Map<String, String> headers;
  final String body;
}

/// One HTTP request.
class Request {
  const Request(this.method, this.url, this.headers, this.body, this.timeoutSeconds, this.abandoned);

  final String method;
  final Uri url;
  final Map<String, String> headers;
  final String? body;
  final double timeoutSeconds;

  /// Completes when nobody waits for the answer any more.
  final Future<void> abandoned;
}

/// Sends one request. No redirect is followed: a token goes where the app said, and nowhere else.
/// Throws an [Exception] when there is no answer.
abstract interface class HttpTransport {
  Future<Answer> exchange(Request request);
}

/// Sockets. Whatever goes wrong may be thrown: the job is polled then.
abstract interface class PushTransport {
  /// Completes when the socket is open.
  Future<PushSocket> connect(Uri url, double withinSeconds);
}

abstract interface class PushSocket {
  void send(String text);

  /// The next text, or null when none came in that time. Throws when it is closed, or brings bytes.
  Future<String?> receive(double withinSeconds);

  /// Never waits.
  void close();
}

/// A clock that counts and never jumps, and waiting by it.
abstract interface class Time {
  double nowSeconds();

  /// Shorter when [unless] completes.
  Future<void> wait(double seconds, Future<void> unless);
}

/// Dart's [Stopwatch] counts on the platform's monotonic clock.
class RealTime implements Time {
  final _counting = Stopwatch()..start();

  @override
  double nowSeconds() => _counting.elapsedMicroseconds / 1e6;

  @override
  Future<void> wait(double seconds, Future<void> unless) async {
    final over = Completer<void>();
    final timer = Timer(_duration(seconds), () {
      if (!over.isCompleted) over.complete();
    });
    await Future.any<void>([over.future, unless]);
    timer.cancel();
  }
}

/// `dart:io`, with the proxies of the environment and the authorities of the machine.
class IoHttpTransport implements HttpTransport {
  /// [client]: one of the app's own, with its proxy or its authorities.
  IoHttpTransport([HttpClient? client]) : _client = client ?? (HttpClient()..connectionTimeout = _duration(_requestTimeout));

  static const _longestBodyBytes = 16 * 1024 * 1024;
  final HttpClient _client;

  @override
  Future<Answer> exchange(Request request) async {
    final sent = await _client.openUrl(request.method, request.url);
    var isAbandoned = false;
    unawaited(request.abandoned.then((_) {
      isAbandoned = true;
      sent.abort(); // does nothing once the answer has begun
    }));
    sent.followRedirects = false;
    sent.headers.set(HttpHeaders.acceptHeader, 'application/json');
    request.headers.forEach((name, value) => sent.headers.set(name, value));
    if (request.method == 'POST') {
      final bytes = utf8.encode(request.body ?? '');
      sent.contentLength = bytes.length;
      sent.add(bytes);
    }
    final answer = await sent.close();
    final headers = <String, String>{};
    answer.headers.forEach((name, values) => headers[name.toLowerCase()] = values.first);
    return Answer(answer.statusCode, headers, await _body(answer, request.timeoutSeconds, () => isAbandoned));
  }

  Future<String> _body(HttpClientResponse answer, double timeoutSeconds, bool Function() isAbandoned) async {
    final bytes = BytesBuilder(copy: false);
    // A body that stops, or that nobody waits for, must not hold its connection.
    await for (final chunk in answer.timeout(_duration(timeoutSeconds))) {
      bytes.add(chunk);
      if (isAbandoned()) throw const HttpException('nobody waits for the answer');
      if (bytes.length > _longestBodyBytes) throw const HttpException('the answer is too long');
    }
    try {
      return utf8.decode(bytes.takeBytes());
    } on FormatException {
      return ''; // nothing of the API's own
    }
  }
}

class IoPushTransport implements PushTransport {
  const IoPushTransport();

  @override
  Future<PushSocket> connect(Uri url, double withinSeconds) async {
    // Of its own, so that a socket that does not open is given up with it.
    final client = HttpClient()..connectionTimeout = _duration(withinSeconds);
    try {
      final opening = WebSocket.connect(url.toString(), customClient: _Direct(client));
      final socket = await opening.timeout(_duration(withinSeconds));
      return _IoPushSocket(socket, client);
    } catch (_) {
      client.close(force: true);
      rethrow;
    }
  }
}

/// [WebSocket.connect] asks its client for one thing, and would follow redirects.
class _Direct implements HttpClient {
  _Direct(this._client);

  final HttpClient _client;

  @override
  Future<HttpClientRequest> openUrl(String method, Uri url) async {
    final request = await _client.openUrl(method, url);
    request.followRedirects = false;
    return request;
  }

  @override
  dynamic noSuchMethod(Invocation invocation) => super.noSuchMethod(invocation);
}

class _IoPushSocket implements PushSocket {
  _IoPushSocket(this._socket, this._client) {
    _socket.listen(
      (frame) {
        _frames.add(frame);
        _wake();
      },
      onError: (Object _) => _lose(),
      onDone: _lose,
    );
  }

  final WebSocket _socket;
  final HttpClient _client;
  final _frames = <Object?>[];
  var _isLost = false;
  Completer<void> _news = Completer<void>();

  @override
  void send(String text) => _socket.add(text);

  @override
  Future<String?> receive(double withinSeconds) async {
    if (_frames.isEmpty && !_isLost) {
      _news = Completer<void>();
      await _news.future.timeout(_duration(withinSeconds), onTimeout: () {});
    }
    if (_frames.isNotEmpty) {
      final frame = _frames.removeAt(0);
      if (frame is String) return frame;
      throw const FormatException('bytes');
    }
    if (_isLost) throw const WebSocketException('closed');
    return null;
  }

  @override
  void close() {
    unawaited(_socket.close().then((_) {}, onError: (Object _) {}));
    _client.close();
  }

  void _lose() {
    _isLost = true;
    _wake();
  }

  void _wake() {
    if (!_news.isCompleted) _news.complete();
  }
}

Duration _duration(double seconds) => Duration(microseconds: (seconds * 1e6).ceil());

// ── Tokens ────────────────────────────────────────────────────────────────────────────────────

/// However many requests are refused at once, one new token is asked for.
class _Tokens {
  _Tokens(this._source, this._time);

  final TokenSource _source;
  final Time _time;
  String? _latest;
  Future<String?>? _renewing;
  double _since = 0;

  /// Which token it is: a request is refused with the one that it was sent with.
  int renewals = 0;

  Future<String?> current() async => _source(renew: false);

  /// Null when there is none to be had.
  Future<String?> renewed(int sentWith) {
    if (sentWith != renewals) return Future.value(_latest);
    final isHung = _time.nowSeconds() - _since >= _requestTimeout;
    final underWay = _renewing;
    if (underWay != null && !isHung) return underWay;
    _since = _time.nowSeconds();
    final renewing = _renew();
    _renewing = renewing;
    void forget() {
      if (identical(_renewing, renewing)) _renewing = null;
    }

    unawaited(renewing.then((_) => forget(), onError: (Object _) => forget()));
    return renewing;
  }

  Future<String?> _renew() async {
    final token = await _source(renew: true);
    if (token != null) {
      _latest = token;
      renewals += 1;
    }
    return token;
  }
}

// ── One job and the rules for it ──────────────────────────────────────────────────────────────

const _requestTimeout = 15.0;
const _defaultPoll = 2.0;
const _shortestPoll = 0.25;
const _longestPoll = 30.0;
const _resubscribe = 10.0; // where the server does not say
const _answerWithin = 5.0; // a socket that is silent for longer is dead
const _longestBackoff = 10.0;
const _tries = 5; // of a single request; a wait tries until its deadline
const _longestRetryAfter = 30.0; // of a single request: past this it is refused
const _defaultDeadline = 330.0;
const _grace = 30.0; // for a network that is away just at the deadline

/// Ended or left from another side, so what was under way does not matter any more.
class _Ended implements Exception {
  const _Ended();
}

/// One operation: when it began, the caller's own limit, and how it is stopped.
class _Wait {
  _Wait(this.beganAt, this.limitSeconds, this.stop);

  final double beganAt;
  final double? limitSeconds;
  final Completer<void> stop;

  bool get isStopped => stop.isCompleted;
}

typedef _Show = FutureOr<void> Function(Update);

class _Following {
  _Following(this._client, this._update, this._body, this._idempotencyKey);

  final SimmerClient _client;
  final String _body;
  final String? _idempotencyKey;
  final _ended = Completer<void>();
  final _random = Random();
  var _stop = Completer<void>();
  Update _update;
  _PushOffer? _offer;
  PushSocket? _socket;
  var _parts = const _Parts();
  final _handed = <int>{}; // the positions of parts that were given to the caller
  double? _knownAt; // when the server first said something of the job
  double? _until; // when to give up, by the server's own deadline

  Update get update => _update;

  bool get _isOpen => !_update.state.isTerminal;

  void stop() {
    if (!_stop.isCompleted) _stop.complete();
  }

  /// Submits the job, unless that is done, and shows every change; the terminal one last.
  Future<void> follow(_Show show) async {
    stop(); // whoever follows now: there is one at a time
    _stop = Completer<void>();
    final wait = _begin(_stop);
    await _unlessEnded(() => _follow(wait, show));
    if (!wait.isStopped) await show(_update);
  }

  Future<void> submit() async {
    if (_isOpen && _update.jobId == null) await _unlessEnded(() => _submit(_begin(), (_) {}));
  }

  Future<void> get() async {
    if (_isOpen && _update.jobId != null) {
      await _unlessEnded(() async => _takeDocument(await _status(_begin(), isWait: false)));
    }
  }

  /// Cancels the job, or leaves it to the others who wait for it; unless it has ended.
  Future<void> cancel() async {
    if (!_isOpen) return;
    if (_update.jobId == null) return _leave(); // if it is being sent, `_submit` sees to it
    await _unlessEnded(() => _cancel(_begin(), _tries));
  }

  /// The completed job, or the error it ended with.
  Update outcome() => switch (_update.state) {
        JobState.failed => throw JobFailed(_update),
        JobState.cancelled => throw JobCancelled(_update),
        _ => _update,
      };

  /// The parts that are known and were not given before.
  List<Part> newParts() {
    if (_update.state == JobState.cancelled) return const []; // nobody wants them
    final result = _update.result;
    final parts = result == null ? _parts.seen() : _parts.allOf(result);
    return [
      for (final part in parts)
        if (_handed.add(part.position)) part,
    ];
  }

  // What is known.

  /// Believes it, unless the job has ended; the bar never goes back, and no part goes away.
  void _take(Update next, [_Parts parts = const _Parts()]) {
    if (!_isOpen) return;
    final before = _parts;
    _parts = before.grownBy(parts);
    if (before.runAt != null && before.runAt != _parts.runAt) _handed.clear(); // another run
    final hasResult = next.state == JobState.completed;
    final isPartial = !hasResult && next.state != JobState.cancelled;
    _update = next._copy(
      progress: max(_update.progress, next.progress),
      outline: hasResult ? _parts.completeOutline : _parts.outline,
      partialResult: isPartial ? _parts.partialResult : null,
    );
    if (!_isOpen && !_ended.isCompleted) _ended.complete();
  }

  void _takeDocument(_Document document) {
    _heed(document.deadline);
    _take(document.update, document.parts);
  }

  void _leave({bool goesOn = false}) => _take(Update(
        task: _update.task,
        jobId: _update.jobId,
        state: JobState.cancelled,
        progress: _update.progress,
        stage: 'done',
        estimatedSecondsRemaining: 0,
        goesOn: goesOn,
      ));

  Future<void> _showOpen(_Show show) async {
    if (_isOpen) await show(_update);
  }

  Future<void> _unlessEnded(Future<void> Function() steps) async {
    try {
      await steps();
    } on _Ended {
      // As it says.
    }
  }

  void _mustGoOn(_Wait wait) {
    if (!_isOpen || wait.isStopped) throw const _Ended();
  }

  // The order of things.

  Future<void> _follow(_Wait wait, _Show show) async {
    if (_isOpen && _update.jobId == null) await _submit(wait, show);
    await _showOpen(show);
    final offered = _offer;
    _offer = null; // what failed once is not tried again
    if (offered != null && _isOpen) {
      try {
        await _listen(offered, wait, show);
      } finally {
        _disconnect();
      }
    }
    while (_isOpen) {
      // A deadline never strikes before a last look.
      final document = await _status(wait, isWait: true);
      _takeDocument(document);
      if (!_isOpen) break;
      await _showOpen(show);
      final left = _left(wait);
      if (left <= 0) throw DeadlineExceeded(_update);
      final pause = (document.pollAfterSeconds ?? _defaultPoll).clamp(_shortestPoll, _longestPoll).toDouble();
      await _sleep(min(pause, left), wait);
      _mustGoOn(wait);
    }
  }

  Future<void> _submit(_Wait wait, _Show show) async {
    final before = _update;
    _take(before._copy(state: JobState.submitting));
    await _showOpen(show);
    final key = _idempotencyKey;
    final headers = {'Content-Type': 'application/json', if (key != null) 'Idempotency-Key': key};
    final _Submitted submitted;
    try {
      submitted = await _request('POST', 'generate', wait, _tries, (answer) => _readSubmitted(answer, before.task),
          headers: headers, body: _body);
    } on SimmerException {
      _take(before);
      rethrow;
    }
    _heed(submitted.deadline);
    _take(submitted.update);
    final jobId = submitted.update.jobId;
    if (_update.jobId == null && jobId != null && !submitted.update.state.isTerminal) {
      // It was left while it was being sent; now that it has a name, it can be cancelled.
      _update = _update._copy(jobId: jobId);
      try {
        await _cancel(wait, 1);
      } on SimmerException {
        // Nobody waits for it.
      } on _Ended {
        // Nor for this.
      }
    }
    final offer = submitted.offer;
    if (_client._push != null && offer != null && _isSafe(offer.url)) _offer = offer;
  }

  bool _isSafe(String url) => url.startsWith('wss://') || (url.startsWith('ws://') && !_client._isSecure);

  Future<void> _cancel(_Wait wait, int tries) async {
    final document = await _request('POST', 'cancel', wait, tries, _readWhole);
    _take(document.update, document.parts);
    _leave(goesOn: true); // still open: others wait for it, we do not
  }

  // Push.

  /// Follows the job over a socket until it has ended or the socket is not to be trusted.
  Future<void> _listen(_PushOffer offer, _Wait wait, _Show show) async {
    final patience = min(_answerWithin, _left(wait));
    if (patience <= 0 || !await _connect(offer.url, patience, wait)) return;
    final subscribe = jsonEncode({'action': 'subscribe', 'jobId': _update.jobId, 'token': offer.token});
    var ifQueued = 1.0; // nobody tells when a job's turn comes
    var isTrusted = true;
    while (isTrusted) {
      _mustGoOn(wait);
      try {
        _socket?.send(subscribe);
      } catch (_) {
        return;
      }
      isTrusted = await _hear(ifQueued, wait, show);
      ifQueued *= 2;
    }
  }

  /// Takes what comes until it is time to subscribe again, and shows meanwhile what is ahead. False if it has
  /// to be polled.
  Future<bool> _hear(double ifQueued, _Wait wait, _Show show) async {
    var askAt = _now() + _answerWithin;
    var ahead = <(double, _Ahead)>[]; // when to show it, the next one first
    var answered = false;
    while (true) {
      final now = _now();
      final left = _left(wait);
      if (left <= 0) return false; // the last look is a poll
      if (ahead.isNotEmpty && ahead.first.$1 <= now) {
        _mustGoOn(wait);
        final (_, entry) = ahead.removeAt(0);
        _take(entry.after(_update));
        await _showOpen(show);
        continue;
      }
      if (askAt <= now) return answered;
      final nextAt = ahead.isEmpty ? askAt : ahead.first.$1;
      final String? text;
      try {
        text = await _unlessLeft(_socket!.receive(min(nextAt - now, left)), wait, orEnded: true);
      } on _Ended {
        rethrow;
      } catch (_) {
        return false;
      }
      _mustGoOn(wait);
      if (text == null) continue;
      final _Document document;
      try {
        document = _readStatus(text, _update.task, _update.jobId ?? '', const {});
      } on _Malformed {
        return false; // a problem document, or nonsense
      }
      final isEndWithoutParts =
          document.update.state == JobState.failed && _parts.grownBy(document.parts).lacksSome;
      if (document.lacksResult || isEndWithoutParts) return false;
      answered = true;
      _takeDocument(document);
      _mustGoOn(wait);
      final heardAt = _now();
      final unlessSaid = _update.stage == 'queued' ? min(ifQueued, _resubscribe) : _resubscribe;
      askAt = heardAt + (document.askAfterSeconds ?? unlessSaid);
      ahead = [
        for (final entry in document.ahead)
          if (heardAt + entry.afterSeconds < askAt) (heardAt + entry.afterSeconds, entry),
      ];
      await _showOpen(show);
      if (_parts.lacksSome) await _fetchParts(wait, show);
    }
  }

  /// Parts that were too large for a frame. If that fails, the next frame asks again.
  Future<void> _fetchParts(_Wait wait, _Show show) async {
    try {
      _takeDocument(await _request('GET', 'status', wait, 1, _readWhole));
    } on SimmerException {
      // As it says.
    }
    _mustGoOn(wait);
    await _showOpen(show);
  }

  Future<bool> _connect(String url, double withinSeconds, _Wait wait) async {
    try {
      // Within the future, for what is thrown at once is trouble like any other.
      final opening = Future<PushSocket>.sync(() => _client._push!.connect(Uri.parse(url), withinSeconds));
      var isTooLate = false;
      unawaited(opening.then((socket) {
        if (isTooLate) socket.close();
      }, onError: (Object _) {}));
      try {
        _socket = await _unlessLeft(opening, wait, orEnded: true);
      } catch (_) {
        isTooLate = true;
        rethrow;
      }
      return true;
    } on _Ended {
      rethrow;
    } catch (_) {
      return false;
    }
  }

  void _disconnect() {
    try {
      _socket?.close();
    } catch (_) {
      // It is not used any more.
    }
    _socket = null;
  }

  // One request, as often as it takes.

  Future<_Document> _status(_Wait wait, {required bool isWait}) =>
      _request('GET', 'status', wait, isWait ? null : _tries, _readWhole);

  _Document _readWhole(Answer answer) {
    if (answer.status != 200) throw _Malformed('it has the status ${answer.status}');
    final document = _readStatus(answer.body, _update.task, _update.jobId ?? '', answer.headers);
    if (document.lacksResult) throw const _Malformed('it is completed and has no result');
    final pause = document.pollAfterSeconds ?? _retryAfterSeconds(answer.headers);
    return _Document(document.update, pause, document.deadline, document.parts);
  }

  /// [tries] is null for a wait, which tries until its deadline.
  Future<T> _request<T>(
    String method,
    String operation,
    _Wait wait,
    int? tries,
    T Function(Answer) read, {
    Map<String, String> headers = const {},
    String? body,
  }) async {
    final name = operation == 'generate' ? '' : '/${Uri.encodeComponent(_update.jobId ?? '')}';
    final url = Uri.parse('${_client._base}/${Uri.encodeComponent(_update.task)}/$operation$name');
    final timeout = min(_requestTimeout, max(1.0, wait.limitSeconds ?? _requestTimeout));
    var failures = 0;
    while (true) {
      final answer = await _exchange(method, url, headers, body, timeout, wait);
      final SimmerException error;
      try {
        return _judged(answer, read);
      } on _Malformed catch (malformed) {
        error = MalformedAnswer("The answer to $method $operation is not Simmer's: ${malformed.message}.", _update);
      } on _Again catch (again) {
        error = again.error;
      }
      _mustGoOn(wait);
      failures += 1;
      final isOwn = answer != null && answer.status >= 400 && _isRefusal(answer);
      final asked = isOwn ? _retryAfterSeconds(answer.headers) ?? 0.0 : 0.0;
      final pause = max(asked, _backoff(failures));
      final left = tries == null ? _left(wait) : _limitOf(wait) - _now();
      final isEnough = tries == null ? left <= 0 : failures >= tries || pause >= left || asked > _longestRetryAfter;
      if (isEnough) throw error;
      await _sleep(min(pause, left), wait);
      _mustGoOn(wait);
    }
  }

  T _judged<T>(Answer? answer, T Function(Answer) read) {
    if (answer == null) throw _Again(Unreachable(_update));
    if (answer.status >= 400) {
      final isOfTheMoment = const [408, 425, 429].contains(answer.status) || answer.status >= 500;
      final isPassing = isOfTheMoment || !_isRefusal(answer);
      final problem = _readProblem(answer, _update, isPassing);
      if (isPassing) throw _Again(problem);
      throw problem;
    }
    if (answer.status != 200 && answer.status != 202) throw _Malformed('it has the status ${answer.status}');
    return read(answer);
  }

  /// The answer, or null when there was none; where the token is refused, once more with a new one.
  Future<Answer?> _exchange(
      String method, Uri url, Map<String, String> headers, String? body, double timeout, _Wait wait) async {
    final tokens = _client._tokens;
    final sentWith = tokens.renewals;
    Future<Answer?> send(Future<String?> Function() tokenOf, {bool isRenewed = false}) async {
      final abandoned = Completer<void>();
      Future<Answer?> sent() async {
        final token = await tokenOf();
        if (abandoned.isCompleted) return null; // too late: nobody waits for the answer
        if (isRenewed && token == null) return _noToken;
        final all = {...headers, if (token != null) 'Authorization': 'Bearer $token'};
        return _client._http.exchange(Request(method, url, all, body, timeout, abandoned.future));
      }

      try {
        return await _unlessLeft(sent().timeout(_duration(timeout)), wait);
      } on _Ended {
        rethrow;
      } catch (_) {
        return null; // of the app's own functions, too, whatever they throw
      } finally {
        abandoned.complete();
      }
    }

    final answer = await send(tokens.current);
    if (answer == null || answer.status != 401 || !_isRefusal(answer)) return answer;
    final again = await send(() => tokens.renewed(sentWith), isRenewed: true);
    return identical(again, _noToken) ? answer : again;
  }

  /// Doubling, the upper half of it by chance: clients that failed together come apart.
  double _backoff(int failures) =>
      min(pow(2.0, min(failures - 1, 30)).toDouble(), _longestBackoff) * (1 + _random.nextDouble()) / 2;

  // Time.

  double _now() => _client._time.nowSeconds();

  _Wait _begin([Completer<void>? stop]) => _Wait(_now(), _client._deadlineSeconds, stop ?? Completer<void>());

  double _limitOf(_Wait wait) => wait.beganAt + (wait.limitSeconds ?? _defaultDeadline);

  double _left(_Wait wait) => (wait.limitSeconds == null ? _until ?? _limitOf(wait) : _limitOf(wait)) - _now();

  Future<void> _sleep(double seconds, _Wait wait) =>
      _unlessLeft(_client._time.wait(seconds, Future.any<void>([_ended.future, wait.stop.future])), wait);

  /// Throws [_Ended] as soon as it is left, or, if that matters, when the job has ended.
  Future<T> _unlessLeft<T>(Future<T> work, _Wait wait, {bool orEnded = false}) => Future.any<T>([
        work,
        wait.stop.future.then<T>((_) => throw const _Ended()),
        if (orEnded) _ended.future.then<T>((_) => throw const _Ended()),
      ]);

  /// A wrong `Date` may bring a moment too early, so the latest holds; see docs/client-rules.md.
  void _heed(_Deadline deadline) {
    final now = _now();
    final known = _knownAt ??= now;
    final byDate = deadline.byDateSeconds;
    final byCreation = deadline.byCreationSeconds;
    final moments = [if (byDate != null) now + byDate, if (byCreation != null) known + byCreation];
    if (moments.isNotEmpty) _until = max(_until ?? 0.0, moments.reduce(min) + _grace);
  }
}

class _Again implements Exception {
  const _Again(this.error);

  final SimmerException error;
}

/// Stands for an answer: a new token was needed, and there is none.
const _noToken = Answer(401, {}, '');

// ── The wire ──────────────────────────────────────────────────────────────────────────────────

/// Where a job's end is told by itself.
class _PushOffer {
  const _PushOffer(this.url, this.token);

  final String url;
  final String token;
}

/// How long a job may run on, in two readings of `deadlineAt`; null: this one cannot be had.
class _Deadline {
  const _Deadline([this.byDateSeconds, this.byCreationSeconds]);

  final double? byDateSeconds;
  final double? byCreationSeconds;
}

/// What an update will have so long after its frame if nothing new comes of the job. Null: what it had before.
class _Ahead {
  const _Ahead(this.afterSeconds, this.progress, this.estimatedSecondsRemaining, this.stage, this.message);

  final double afterSeconds;
  final int progress;
  final int? estimatedSecondsRemaining;
  final String? stage;
  final String? message;

  Update after(Update update) => update._copy(
        progress: progress,
        estimatedSecondsRemaining: estimatedSecondsRemaining,
        stage: stage,
        message: message,
      );
}

/// A status document: the update it means, and when the server wants to be asked again.
class _Document {
  const _Document(
    this.update,
    this.pollAfterSeconds,
    this.deadline,
    this.parts, [
    this.askAfterSeconds,
    this.ahead = const [],
  ]);

  final Update update;
  final double? pollAfterSeconds;
  final _Deadline deadline;
  final _Parts parts;
  final double? askAfterSeconds; // of a frame, as the next one
  final List<_Ahead> ahead; // in the order of their times

  bool get lacksResult => update.state == JobState.completed && update.result == null;
}

class _Submitted {
  const _Submitted(this.update, this.offer, this.deadline);

  final Update update;
  final _PushOffer? offer;
  final _Deadline deadline;
}

/// Not what the server promises; the message says what, and quotes nothing.
class _Malformed implements Exception {
  const _Malformed(this.message);

  final String message;
}

const _longestJobSeconds = 86400.0; // a `deadlineAt` further away is no deadline
const _shortestAskMs = 1000.0; // an `askAfterMs` that is not from this
const _longestAskMs = 60000.0; // to this makes no sense

const _states = {
  'pending': JobState.polling,
  'processing': JobState.polling,
  'completed': JobState.completed,
  'failed': JobState.failed,
  'cancelled': JobState.cancelled,
};

_Submitted _readSubmitted(Answer answer, String task) {
  final fields = _object(answer.body);
  if (fields == null) throw const _Malformed('it is no JSON object');
  final jobId = _text(fields['jobId']);
  if (jobId == null) throw const _Malformed('it names no job');
  if (answer.status == 200) {
    if (fields['status'] != 'completed') throw const _Malformed('its status is unknown');
    final result = fields['result'];
    if (result == null) throw const _Malformed('it is completed and has no result');
    final update = Update(
      task: task,
      jobId: jobId,
      state: JobState.completed,
      progress: 100,
      stage: 'done',
      message: _text(fields['message']) ?? '',
      result: result,
      cached: true,
    );
    return _Submitted(update, null, const _Deadline());
  }
  if (fields['status'] != 'submitted') throw const _Malformed('its status is unknown');
  final update = Update(task: task, jobId: jobId, state: JobState.polling, message: _text(fields['message']) ?? '');
  return _Submitted(update, _offerOf(fields['push']), _deadlineOf(fields, answer.headers));
}

/// What cannot be understood is no offer: polling is always there.
_PushOffer? _offerOf(Object? push) {
  if (push is! Map) return null;
  final url = _text(push['url']);
  final token = _text(push['token']);
  return url == null || token == null ? null : _PushOffer(url, token);
}

/// A status document of that job; it may lack the result, see [_Document.lacksResult].
_Document _readStatus(String body, String task, String jobId, Map<String, String> headers) {
  final fields = _object(body);
  if (fields == null) throw const _Malformed('it is no JSON object');
  if (fields['jobId'] != jobId) throw const _Malformed('it is not about this job');
  final state = _states[fields['status']];
  if (state == null) throw const _Malformed('its status is unknown');
  final progress = _number(fields['progress']);
  if (progress == null) throw const _Malformed('its progress is no number');
  if ((fields['message'] ?? '') is! String) throw const _Malformed('its message is no text');
  final isFailed = state == JobState.failed;
  final update = Update(
    task: task,
    jobId: jobId,
    state: state,
    progress: _bar(progress),
    stage: _text(fields['stage']) ?? '',
    message: _text(fields['message']) ?? '',
    estimatedSecondsRemaining: _number(fields['estimatedSecondsRemaining'])?.toInt(),
    estimateIsMeasured: fields['estimateIsMeasured'] == true,
    result: state == JobState.completed ? fields['result'] : null,
    error: isFailed ? _text(fields['error']) : null,
    errorCode: isFailed ? _text(fields['errorCode']) : null,
    retryable: isFailed && fields['retryable'] == true,
  );
  final pollAfterMs = _number(fields['pollAfterMs']);
  final pause = pollAfterMs != null && pollAfterMs > 0 ? pollAfterMs / 1000 : null;
  final askAfterMs = _number(fields['askAfterMs']);
  final isSensible = askAfterMs != null && askAfterMs >= _shortestAskMs && askAfterMs <= _longestAskMs;
  return _Document(
    update,
    pause,
    _deadlineOf(fields, headers),
    _partsOf(fields),
    isSensible ? askAfterMs / 1000 : null,
    _aheadOf(fields['ahead']),
  );
}

/// The entries that can be understood, with what can be understood of them.
List<_Ahead> _aheadOf(Object? entries) {
  final understood = <_Ahead>[];
  for (final each in entries is List ? entries : const <Object?>[]) {
    if (each is! Map) continue;
    final afterMs = _number(each['afterMs']);
    final progress = _number(each['progress']);
    if (afterMs == null || afterMs <= 0 || progress == null) continue;
    final stage = each['stage'];
    final message = each['message'];
    understood.add(_Ahead(
      afterMs / 1000,
      _bar(progress),
      _number(each['estimatedSecondsRemaining'])?.toInt(),
      stage is String ? stage : null,
      message is String ? message : null,
    ));
  }
  return understood..sort((one, other) => one.afterSeconds.compareTo(other.afterSeconds));
}

int _bar(double progress) => progress.clamp(0, 100).toInt();

// ── An answer in parts ────────────────────────────────────────────────────────────────────────

/// What is known of the parts of one run, which began at [runAt]; it only grows. Titles stand in the
/// outline, in the order of the result; a part is an element of the result's list.
class _Parts {
  const _Parts({this.outline = const [], this.values = const {}, this.listName = '', this.runAt});

  final List<OutlineEntry> outline;
  final Map<int, Object?> values; // by position
  final String listName; // of the result's list
  final double? runAt; // seconds; null: unknown

  Object? get partialResult => values.isEmpty ? null : {listName: [for (final part in seen()) part.value]};

  List<OutlineEntry> get completeOutline => [for (final entry in outline) OutlineEntry(entry.title, isReady: true)];

  /// Whether a part is ready that was not seen: it was too large for a frame.
  bool get lacksSome {
    for (var at = 0; at < outline.length; at++) {
      if (outline[at].isReady && !values.containsKey(at)) return true;
    }
    return false;
  }

  /// With what another document says. Of an earlier run that is nothing, of a later run all there is;
  /// of this run's outline the titles never change.
  _Parts grownBy(_Parts other) {
    final mine = runAt;
    final theirs = other.runAt;
    if (mine != null && theirs != null && mine != theirs) return theirs > mine ? other : this;
    final run = mine ?? theirs;
    if (outline.isEmpty) return _Parts(outline: other.outline, values: other.values, listName: other.listName, runAt: run);
    final grown = <OutlineEntry>[];
    for (var at = 0; at < outline.length; at++) {
      final isSame = other.outline.length == outline.length && other.outline[at].title == outline[at].title;
      if (!isSame) return _Parts(outline: outline, values: values, listName: listName, runAt: run);
      grown.add(outline[at].isReady ? outline[at] : other.outline[at]);
    }
    final name = listName.isEmpty ? other.listName : listName;
    final all = other.listName == name ? {...other.values, ...values} : values;
    return _Parts(outline: grown, values: all, listName: name, runAt: run);
  }

  /// The parts of a whole result.
  List<Part> allOf(Object? result) => _named(_listOf(result, outline.length).$2.asMap());

  /// The parts that are known, in their order.
  List<Part> seen() => _named(values);

  List<Part> _named(Map<int, Object?> all) =>
      [for (final at in all.keys.toList()..sort()) Part(at, outline[at].title, all[at])];
}

/// What is not as promised is as good as absent.
_Parts _partsOf(Map<String, Object?> fields) {
  final outline = _outlineOf(fields['outline']);
  final ready = [
    for (var at = 0; at < outline.length; at++)
      if (outline[at].isReady) at,
  ];
  final (name, values) = _listOf(fields['partialResult'], ready.length);
  return _Parts(
    outline: outline,
    values: name.isEmpty ? const {} : Map.fromIterables(ready, values),
    listName: name,
    runAt: _isoSeconds(fields['createdAt']),
  );
}

List<OutlineEntry> _outlineOf(Object? outline) {
  final entries = <OutlineEntry>[];
  for (final each in outline is List ? outline : const <Object?>[]) {
    if (each is! Map) return const [];
    final title = _text(each['title']);
    final state = each['state'];
    if (title == null || (state != 'waiting' && state != 'ready')) return const [];
    entries.add(OutlineEntry(title, isReady: state == 'ready'));
  }
  return entries;
}

/// The name and the elements of the one list of that length; empty if there is no such one.
(String, List<Object?>) _listOf(Object? result, int count) {
  final found = <(String, List<Object?>)>[];
  if (result is Map && count > 0) {
    for (final each in result.entries) {
      final value = each.value;
      if (value is List && value.length == count) found.add((each.key as String, value));
    }
  }
  return found.length == 1 ? found.single : ('', const <Object?>[]);
}

// ── Deadlines and refusals ────────────────────────────────────────────────────────────────────

/// The phone's time of day has no part in it: it may be wrong, and it may jump.
_Deadline _deadlineOf(Map<String, Object?> fields, Map<String, String> headers) {
  final until = _isoSeconds(fields['deadlineAt']);
  return _Deadline(
    _between(_httpDateSeconds(headers['date']), until),
    _between(_isoSeconds(fields['createdAt']), until),
  );
}

/// Null where it makes no sense of a job that is open.
double? _between(double? start, double? end) {
  if (start == null || end == null) return null;
  final seconds = end - start;
  return seconds > 0 && seconds <= _longestJobSeconds ? seconds : null;
}

/// Whether a 4xx is the API's own, or its gateway's: proxies and login pages have theirs.
bool _isRefusal(Answer answer) {
  final fields = _object(answer.body);
  return fields != null && const ['code', 'title', 'detail', 'message'].any((name) => _text(fields[name]) != null);
}

const _gatewayCodes = {401: 'unauthorized', 403: 'forbidden', 404: 'not_found', 429: 'too_many_requests'};

RequestRefused _readProblem(Answer answer, Update job, bool retryable) {
  final fields = _object(answer.body) ?? const <String, Object?>{};
  final words = _text(fields['detail']) ?? _text(fields['title']) ?? _text(fields['message']);
  final errors = <FieldError>[];
  final listed = fields['errors'];
  for (final each in listed is List ? listed : const <Object?>[]) {
    if (each is! Map) continue;
    final field = each['field'];
    final message = _text(each['message']);
    if (field is String && message != null) errors.add(FieldError(field, message));
  }
  return RequestRefused(
    words ?? 'The server answered with HTTP status ${answer.status}.',
    _text(fields['code']) ?? _gatewayCodes[answer.status] ?? 'http_${answer.status}',
    job,
    status: answer.status,
    errors: errors,
    retryable: retryable,
  );
}

/// `Retry-After`, in either of its forms; a date is taken by the server's own clock.
double? _retryAfterSeconds(Map<String, String> headers) {
  final value = (headers['retry-after'] ?? '').trim();
  if (RegExp(r'^[0-9]{1,9}$').hasMatch(value)) return double.parse(value);
  final until = _httpDateSeconds(value);
  final now = _httpDateSeconds(headers['date']);
  return until == null || now == null ? null : max(until - now, 0.0);
}

Map<String, Object?>? _object(String body) {
  try {
    final value = jsonDecode(body);
    return value is Map<String, Object?> ? value : null;
  } on FormatException {
    return null;
  }
}

String? _text(Object? value) => value is String && value.isNotEmpty ? value : null;

double? _number(Object? value) => value is num && value.isFinite ? value.toDouble() : null;

/// Generated classes write null for what is absent.
Object? _withoutNulls(Object? value) {
  if (value is Map) {
    return {
      for (final each in value.entries)
        if (each.value != null) each.key as String: _withoutNulls(each.value),
    };
  }
  return value is List ? value.map(_withoutNulls).toList() : value;
}

/// Version 4: 122 bits by chance (RFC 9562).
String _uuid() {
  final random = Random.secure();
  final bytes = List<int>.generate(16, (_) => random.nextInt(256));
  bytes[6] = bytes[6] & 0x0f | 0x40;
  bytes[8] = bytes[8] & 0x3f | 0x80;
  final digits = bytes.map((byte) => byte.toRadixString(16).padLeft(2, '0')).join();
  return [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].map((part) => digits.substring(part.$1, part.$2)).join('-');
}

// ── Times, as seconds since 1970. `DateTime.parse` forgives much, and knows no HTTP dates. ──────

final _iso = RegExp(r'^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?Z$');
final _httpDate = RegExp(r'^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$');
const _months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

double? _isoSeconds(Object? value) {
  final parts = value is String ? _iso.firstMatch(value) : null;
  if (parts == null) return null;
  final whole = _seconds(int.parse(parts[1]!), int.parse(parts[2]!), int.parse(parts[3]!), [parts[4]!, parts[5]!, parts[6]!]);
  return whole == null ? null : whole + double.parse('0${parts[7] ?? ''}');
}

double? _httpDateSeconds(String? value) {
  final parts = value == null ? null : _httpDate.firstMatch(value.trim());
  if (parts == null) return null;
  final month = _months.indexOf(parts[2]!) + 1;
  return _seconds(int.parse(parts[3]!), month, int.parse(parts[1]!), [parts[4]!, parts[5]!, parts[6]!]);
}

double? _seconds(int year, int month, int day, List<String> time) {
  final [hour, minute, second] = time.map(int.parse).toList();
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return null;
  return DateTime.utc(year, month, day, hour, minute, second).millisecondsSinceEpoch / 1000;
}
