/// clients/vectors, run against the Dart client in virtual time: `dart test/vectors_test.dart ../vectors`.
///
/// Prints what is wrong, and how many hold; the exit code is 1 if one does not.
library;

import 'dart:async';
import 'dart:convert';
import 'dart:io';
import 'dart:math';

import '../simmer.dart';

typedef Json = Map<String, Object?>;

final _serverStart = DateTime.utc(2026, 11, 25, 10);
final _uuid = RegExp(r'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');

class Wrong implements Exception {
  const Wrong(this.message);

  final String message;

  @override
  String toString() => message;
}

class VirtualTime implements Time {
  VirtualTime([num? cancelAfter]) : _cancelAt = cancelAfter == null ? null : start + cancelAfter;

  static const start = 5000.0;
  double seconds = start;
  double? _cancelAt;
  Future<Object?> Function()? cancel;

  /// Whether the job's owner cancels it while its follower waits; it is cancelled, then.
  Future<bool> isCancelledWithin(double seconds) async {
    final at = _cancelAt;
    if (at == null || this.seconds + seconds < at) return false;
    _cancelAt = null;
    this.seconds = at;
    await cancel?.call();
    await Future<void>.delayed(Duration.zero); // to whom is waiting
    return true;
  }

  @override
  double nowSeconds() => seconds;

  @override
  Future<void> wait(double seconds, Future<void> unless) async {
    if (seconds <= 0) throw Wrong('a pause of $seconds s');
    var isOver = false;
    unawaited(unless.then((_) => isOver = true));
    await Future<void>.delayed(Duration.zero);
    if (!isOver && !await isCancelledWithin(seconds)) this.seconds += seconds;
  }
}

/// What a vector says of the network, and what a client did in it.
class Scripted implements HttpTransport, PushTransport, PushSocket {
  Scripted(this.vector) : _answers = vector['answers'] as List<Object?>;

  final Json vector;
  late final time = VirtualTime((vector['do'] as Json)['cancelAfter'] as num?);
  final steps = <(String, double)>[];
  final requests = <Request>[];
  final updates = <Object?>[];
  final outlines = <Object?>[];
  final estimates = <Object?>[];
  final moments = <(double, List<Object?>)>[];
  final parts = <Object?>[];
  final List<Object?> _answers;
  final _frames = <(double, Json)>[];
  double lastAt = VirtualTime.start;
  Object? partialResult; // of the last update
  var _subscriptions = 0;

  Json? get _socket => vector['socket'] as Json?;

  void _step(String what) {
    if (steps.length > 5000) throw const Wrong('it goes on for ever');
    steps.add((what, time.seconds - lastAt));
    lastAt = time.seconds;
  }

  @override
  Future<Answer> exchange(Request request) async {
    _step('${request.method} ${request.url.pathSegments[1]}');
    final at = requests.length < _answers.length ? requests.length : _answers.length - 1; // the last one stays
    requests.add(request);
    final given = _answers[at] as Json;
    if (given['lost'] == true) throw const SocketException('lost');
    if (given['hang'] == true) {
      time.seconds += request.timeoutSeconds;
      throw const SocketException('no answer');
    }
    final date = given.containsKey('date') ? given['date'] as String? : _httpDate();
    final headers = {if (date != null) 'date': date};
    final extra = given['headers'] as Json? ?? const {};
    extra.forEach((name, value) => headers[name.toLowerCase()] = value as String);
    return Answer(given['status'] as int, headers, given['text'] as String? ?? jsonEncode(given['body']));
  }

  String _httpDate() =>
      HttpDate.format(_serverStart.add(Duration(microseconds: ((time.seconds - VirtualTime.start) * 1e6).floor())));

  @override
  Future<PushSocket> connect(Uri url, double withinSeconds) {
    _step('connect');
    switch (_socket?['connect'] ?? 'fails') {
      case 'opens':
        return Future.value(this);
      case 'throws':
        throw UnsupportedError('no sockets here');
      case 'hangs':
        time.seconds += withinSeconds;
      case 'redirects':
        throw const WebSocketException('302'); // it is for the transport not to follow it
    }
    return Future.error(const SocketException('refused'));
  }

  @override
  void send(String text) {
    _step('subscribe');
    if (text != jsonEncode({'action': 'subscribe', 'jobId': '7', 'token': 'push-token'})) throw Wrong(text);
    final lists = _socket!['subscriptions'] as List<Object?>;
    if (_subscriptions >= lists.length) return;
    for (final each in lists[_subscriptions] as List<Object?>) {
      final entry = each as Json;
      _frames.add((time.seconds + (entry['afterSeconds'] as num? ?? 0), entry));
    }
    _subscriptions += 1;
  }

  @override
  Future<String?> receive(double withinSeconds) async {
    if (withinSeconds <= 0) throw Wrong('$withinSeconds s to receive');
    final waits = _frames.isEmpty ? withinSeconds : min(withinSeconds, _frames.first.$1 - time.seconds);
    if (await time.isCancelledWithin(waits)) {
      time.seconds += withinSeconds; // nobody told the socket
      return null;
    }
    if (_frames.isEmpty || _frames.first.$1 > time.seconds + withinSeconds) {
      time.seconds += withinSeconds;
      return null;
    }
    final (at, entry) = _frames.removeAt(0);
    if (at > time.seconds) time.seconds = at;
    if (entry['close'] == true || entry['binary'] == true) throw const SocketException('closed, or bytes');
    return entry['text'] as String? ?? jsonEncode(entry['json']);
  }

  @override
  void close() {}
}

Future<Object> follow(Scripted world) async {
  final said = world.vector['client'] as Json? ?? const {};
  final kind = said['token'] ?? 'fixed';
  const kinds = {'fixed', 'renewable', 'throws', 'hangs', 'renewal throws'};
  if (!kinds.contains(kind)) throw Wrong('this test does not know a token that is `$kind`');
  var given = 0;
  var calls = 0;
  var renewals = 0;
  final deadline = said['deadlineSeconds'] as num?;
  final client = SimmerClient(
    said['api'] as String? ?? 'https://api.test',
    token: ({required renew}) {
      calls += 1;
      if (renew) renewals += 1;
      final isFirst = renew ? renewals == 1 : calls == 1;
      if (isFirst && (kind == 'throws' && !renew || kind == 'renewal throws' && renew)) throw StateError('no network');
      if (kind == 'hangs' && calls == 1) {
        world.time.seconds += 15;
        throw TimeoutException('in no time');
      }
      if (!renew) return 'token-$given';
      return kind == 'fixed' ? null : 'token-${++given}';
    },
    push: said['push'] == false ? null : world,
    deadline: deadline == null ? null : Duration(microseconds: (deadline * 1e6).round()),
    http: world,
    time: world.time,
  );
  final what = world.vector['do'] as Json;
  final submit = what['submit'] as Json?;
  final job = submit == null
      ? client.resume('recipe', what['resume'] as String)
      : client.job('recipe', submit['body'],
          fresh: submit['fresh'] == true, idempotencyKey: submit['idempotencyKey'] as String?);
  world.time.cancel = job.cancel;
  final cancelWhen = what['cancelWhen'];
  var isCancelled = false;
  try {
    return await job.follow(onUpdate: (update) async {
      final outline = [for (final entry in update.outline) [entry.title, entry.isReady ? 'ready' : 'waiting']];
      final isNew = world.outlines.isEmpty || !isSame(world.outlines.last, outline);
      if (outline.isNotEmpty && isNew) world.outlines.add(outline);
      world.partialResult = update.partialResult;
      if (update.state.isTerminal) return;
      final estimate = [update.estimatedSecondsRemaining, update.estimateIsMeasured];
      final isAnother = world.estimates.isEmpty || !isSame(world.estimates.last, estimate);
      if (estimate[0] != null && isAnother) world.estimates.add(estimate);
      final moment = [update.progress, update.stage, update.message];
      final isNext = world.moments.isEmpty || !isSame(world.moments.last.$2, moment);
      if (update.stage.isNotEmpty && isNext) world.moments.add((world.time.seconds - VirtualTime.start, moment));
      final seen = [update.state.name, update.progress];
      if (world.updates.isEmpty || !isSame(world.updates.last, seen)) world.updates.add(seen);
      if (isCancelled || !isSame(seen, cancelWhen)) return;
      isCancelled = true;
      await job.cancel();
    }, onPart: (part) => world.parts.add([part.position, part.value]));
  } on SimmerException catch (error) {
    return error;
  }
}

bool isSame(Object? one, Object? other) {
  if (one is List && other is List) {
    return one.length == other.length && [for (var i = 0; i < one.length; i++) isSame(one[i], other[i])].every((same) => same);
  }
  if (one is Map && other is Map) {
    return one.length == other.length && one.keys.every((key) => other.containsKey(key) && isSame(one[key], other[key]));
  }
  return one == other;
}

Json named(Object end, Json expected) => switch (end) {
      Update(state: JobState.completed, :final result) => {'completed': result},
      JobFailed(:final code) => {'failed': code},
      JobCancelled(:final goesOn) => {
          'cancelled': {'goesOn': goesOn},
        },
      RequestRefused(:final status, :final code) => {
          'refused': status,
          if (expected.containsKey('code')) 'code': code,
        },
      MalformedAnswer() => {'malformed': true},
      Unreachable() => {'unreachable': true},
      DeadlineExceeded() => {'deadline': true},
      _ => throw Wrong('no end: $end'),
    };

Iterable<String> complaints(Scripted world, Object end) sync* {
  final expect = world.vector['expect'] as Json;
  const known = {
    'steps', 'updates', 'outlines', 'parts', 'partialResult', 'estimates', 'moments', 'end', 'endsAfter', //
    'headers', 'bearers',
  };
  for (final key in expect.keys) {
    if (!known.contains(key)) yield 'this test does not know `$key`';
  }
  final steps = (expect['steps'] as List<Object?>).cast<List<Object?>>();
  final wanted = [for (final step in steps) step[0]];
  final there = [for (final (what, _) in world.steps) what];
  if (!isSame(there, wanted)) yield 'steps: $there instead of $wanted';
  for (var at = 0; at < world.steps.length && at < steps.length; at++) {
    final (what, after) = world.steps[at];
    final bounds = steps[at][1];
    final least = (bounds is List ? bounds[0] : bounds) as num;
    final most = (bounds is List ? bounds[1] : bounds) as num;
    if (after < least - 0.001 || after > most + 0.001) yield 'step $at, $what: after $after s';
  }
  if (!isSame(world.updates, expect['updates'])) yield 'updates: ${world.updates} instead of ${expect['updates']}';
  if (!isSame(world.outlines, expect['outlines'] ?? const <Object?>[])) yield 'outlines: ${world.outlines}';
  if (!isSame(world.parts, expect['parts'] ?? const <Object?>[])) yield 'parts: ${world.parts}';
  if (!isSame(world.partialResult, expect['partialResult'])) yield 'partialResult: ${world.partialResult}';
  final estimates = expect['estimates'];
  if (estimates != null && !isSame(world.estimates, estimates)) yield 'estimates: ${world.estimates}';
  final moments = (expect['moments'] as List<Object?>?)?.cast<List<Object?>>();
  if (moments != null) {
    final shown = [for (final (_, moment) in world.moments) moment];
    if (!isSame(shown, [for (final moment in moments) moment.sublist(1)])) yield 'moments: $shown';
    for (var at = 0; at < shown.length && at < moments.length; at++) {
      final seconds = world.moments[at].$1;
      if ((seconds - (moments[at][0] as num)).abs() > 0.001) yield 'moment $at: after $seconds s';
    }
  }
  final wantedEnd = expect['end'] as Json;
  final thereEnd = named(end, wantedEnd);
  if (!isSame(thereEnd, wantedEnd)) yield 'end: $thereEnd instead of $wantedEnd';
  final endsAfter = expect['endsAfter'] as num?;
  final ended = world.time.seconds - world.lastAt;
  if (endsAfter != null && (ended - endsAfter).abs() > 0.001) yield 'ends after $ended s';
  yield* headerComplaints(world, expect);
}

String? header(Request request, String name) {
  for (final each in request.headers.entries) {
    if (each.key.toLowerCase() == name.toLowerCase()) return each.value;
  }
  return null;
}

Iterable<String> headerComplaints(Scripted world, Json expect) sync* {
  final all = expect['headers'] as List<Object?>? ?? const [];
  for (var at = 0; at < all.length; at++) {
    for (final each in (all[at] as Json).entries) {
      final there = header(world.requests[at], each.key);
      final isRight = switch (each.value) {
        'UUID' => there != null && _uuid.hasMatch(there),
        'same' => there == header(world.requests[at - 1], each.key),
        final value => there == value,
      };
      if (!isRight) yield 'header ${each.key} of request $at: $there';
    }
  }
  final bearers = expect['bearers'] as List<Object?>?;
  if (bearers == null) return;
  final there = [for (final request in world.requests) header(request, 'Authorization')];
  if (!isSame(there, [for (final each in bearers) 'Bearer $each'])) yield 'bearers: $there';
}

/// A server that answers each request by a function; it remembers what it was asked.
class Server implements HttpTransport {
  Server(this._answer);

  final Answer Function(Request request, int count) _answer;
  final asked = <String>[];

  @override
  Future<Answer> exchange(Request request) async {
    asked.add('${request.method} ${request.url.path}');
    await Future<void>.delayed(Duration.zero); // so that others are under way
    return _answer(request, asked.length);
  }
}

Answer status(String jobId, String word, [Json more = const {}]) =>
    Answer(200, const {}, jsonEncode({'jobId': jobId, 'status': word, 'progress': 10, ...more}));

SimmerClient client(Server server, TokenSource token) =>
    SimmerClient('https://api.test', token: token, push: null, http: server, time: VirtualTime());

Future<String?> singleRenewal() async {
  var renewals = 0;
  final server = Server((request, _) => header(request, 'Authorization') == 'Bearer new'
      ? status(request.url.pathSegments.last, 'completed', {'result': <String, Object?>{}})
      : const Answer(401, {}, '{"message": "Unauthorized"}'));
  final one = client(server, ({required renew}) async {
    await Future<void>.delayed(Duration.zero);
    if (!renew) return renewals == 0 ? 'old' : 'new';
    renewals += 1;
    return 'new';
  });
  await Future.wait([for (var id = 0; id < 10; id++) one.resume('recipe', '$id').follow()]);
  return renewals == 1 ? null : '$renewals new tokens were asked for';
}

Future<String?> leave() async {
  final server = Server((_, count) => status('7', count < 3 ? 'processing' : 'completed', {'result': <String, Object?>{}}));
  final one = client(server, ({required renew}) => 'token');
  final job = one.resume('recipe', '7');
  final left = await job.follow(onUpdate: (update) {
    if (update.progress == 10) job.leave();
  });
  if (left.state != JobState.polling || server.asked.length != 1) return 'it goes on: ${server.asked}';
  await for (final update in one.resume('recipe', '7').updates()) {
    if (update.progress == 10) break;
  }
  if (server.asked.length != 2) return 'the loop was left, and it goes on: ${server.asked}';
  final other = await one.resume('recipe', '7').follow();
  final isAlone = server.asked.every((what) => what == 'GET /recipe/status/7');
  return other.state == JobState.completed && isAlone ? null : 'it was not left alone: ${server.asked}';
}

Future<String?> errorNames() async {
  final failed = {'error': 'No.', 'errorCode': 'refused', 'retryable': false};
  final server = Server((_, __) => status('7', 'failed', failed));
  try {
    await client(server, ({required renew}) => 'secret-token').resume('recipe', '7').follow();
    return 'nothing is thrown';
  } on JobFailed catch (error) {
    final isWhole = error.known == SimmerCode.refused && error.job.jobId == '7' && !error.retryable;
    return isWhole && !'$error'.contains('secret-token') ? null : '$error';
  }
}

final ownChecks = <String, Future<String?> Function()>{
  'single-renewal': singleRenewal,
  'leave': leave,
  'error-names': errorNames,
};

Future<void> main(List<String> arguments) async {
  final folder = Directory(arguments.isEmpty ? '../vectors' : arguments.first);
  final files = folder.listSync().whereType<File>().where((file) => file.path.endsWith('.json')).toList()
    ..sort((one, other) => one.path.compareTo(other.path));
  var hold = 0;
  var fail = 0;
  for (final file in files) {
    final read = jsonDecode(file.readAsStringSync()) as Json;
    for (final vector in (read['vectors'] as List<Object?>).cast<Json>()) {
      final world = Scripted(vector);
      List<String> wrong;
      try {
        wrong = complaints(world, await follow(world)).toList();
      } catch (error) {
        wrong = ['$error'];
      }
      if (wrong.isEmpty) {
        hold += 1;
      } else {
        fail += 1;
        stdout.writeln('${vector['name']}: ${wrong.join('; ')}');
      }
    }
  }
  for (final check in ownChecks.entries) {
    String? wrong;
    try {
      wrong = await check.value();
    } catch (error) {
      wrong = '$error';
    }
    if (wrong == null) {
      hold += 1;
    } else {
      fail += 1;
      stdout.writeln('${check.key}: $wrong');
    }
  }
  stdout.writeln('$hold hold, $fail do not');
  exitCode = fail == 0 && hold > 0 ? 0 : 1;
}
