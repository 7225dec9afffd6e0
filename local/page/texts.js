// All that the page says of any task, in both its languages. What comes from the server is in the
// request's; where the page does not speak that, it says its own part in English.

const plural = (n, one, many) => `${n} ${n === 1 ? one : many}`;
const listed = (pairs) => {
  const said = pairs.filter(([bound]) => bound !== undefined).map(([, text]) => text);
  return said.length ? `${said.join(", ").replace(/^./, (first) => first.toUpperCase())}.` : "";
};
const round = (s) => (s < 10 ? s.toFixed(1) : `${Math.round(s)}`);

export const TEXTS = {
  ko: {
    skip: "본문으로 건너뛰기",
    language: "언어",
    tasks: "작업 종류",
    noTasks: "작업 목록을 읽지 못했습니다. 서버가 실행 중인지 확인해 주세요.",
    reload: "다시 읽기",
    nonsense: "작은 실제 모델(SmolLM2-135M)이 답합니다. 내용은 엉터리이고, 실패하는 일도 많습니다.",
    optional: "선택",
    unset: "선택 안 함",
    yesNo: (value) => (value ? "예" : "아니요"),
    none: "없음",
    which: "종류",
    key: "이름",
    kinds: { text: "글", number: "숫자", decimal: "숫자", boolean: "예/아니요", list: "목록", mapping: "항목" },
    asJson: "JSON으로 적어 주세요.",
    needed: "필요한 값입니다.",
    notANumber: "숫자가 아닙니다.",
    notWhole: "정수여야 합니다.",
    notJson: "JSON이 아닙니다.",
    keyNeeded: "이름이 빠진 항목이 있습니다.",
    keyTwice: "같은 이름이 두 번 있습니다.",
    bounds: ({ least, above, most, below }) =>
      listed([
        [least, `${least} 이상`],
        [above, `${above} 초과`],
        [most, `${most} 이하`],
        [below, `${below} 미만`],
      ]),
    tooLong: (most) => `${most}자까지입니다.`,
    tooShort: (least) => `${least}자 이상이어야 합니다.`,
    tooMany: (most) => `${most}개까지입니다.`,
    tooFew: (least) => `${least}개 이상이어야 합니다.`,
    chipsHint: "Enter로 하나씩 넣어 주세요.",
    chipsPlaceholder: "추가",
    suggestions: "예시",
    add: (name) => `${name} 추가`,
    addOne: (name) => `+ ${name}`,
    remove: (name) => `${name} 빼기`,
    added: (name) => `${name}, 넣었습니다.`,
    removed: (name) => `${name}, 뺐습니다.`,
    duplicate: (name) => `${name}은(는) 이미 있습니다.`,
    fresh: "저장된 답을 쓰지 않고 새로 만들기",
    submit: "보내기",
    jobTitle: "답을 준비하고 있어요",
    stages: { queued: "차례 기다리기", analyzing: "요청 살펴보기", generating: "답 쓰기", done: "완료" },
    submitting: "보내는 중…",
    resuming: "이어서 확인하는 중…",
    cancelling: "취소하는 중…",
    remaining: (s) => (s < 60 ? `약 ${s}초 남음` : `약 ${Math.round(s / 60)}분 남음`),
    elapsed: (s) => (s < 60 ? `${s}초 지남` : `${Math.floor(s / 60)}분 ${s % 60}초 지남`),
    trouble: "연결이 불안정합니다. 계속 시도하고 있어요.",
    cancel: "취소",
    cancelFailed: "취소하지 못했습니다. 작업은 계속됩니다.",
    cancelledTitle: "취소했습니다",
    cancelledText: "입력한 내용은 그대로 두었어요.",
    failedTitle: "답을 만들지 못했어요",
    laterTitle: "오늘은 여기까지예요",
    missingTitle: "이 작업은 여기에 없습니다",
    missingText: (user) => `작업이 더 이상 없거나 다른 사용자의 것입니다. 지금 사용자: ${user}.`,
    invalid: "맞지 않는 값이 있습니다. 고쳐서 다시 보내 주세요.",
    retry: "다시 시도",
    edit: "요청 바꾸기",
    again: "새로 시작",
    copy: "복사",
    copyJson: "JSON 복사",
    copied: "복사했습니다",
    copyFailed: "복사하지 못했습니다",
    share: "공유",
    cached: "저장된 답",
    outline: (titles) => `정해진 순서: ${titles.join(", ")}`,
    partReady: (title) => `${title}, 다 됐어요`,
    partWaiting: "아직 쓰는 중이에요",
    goodParts: "여기까지는 다 됐어요. 아래에서 볼 수 있어요.",
    table: "표",
    took: (s) => `${round(s)}초 걸림`,
    seconds: (s) => `${round(s)}초`,
    trace: "진행 기록",
    history: "이번 작업들",
    webhook: "웹훅 이벤트",
    webhookHint: "작업이 끝나면 팀의 서버가 웹훅으로 받을 내용입니다.",
    verified: "서명 확인됨",
    wire: "오간 요청",
    wireHint: "이 페이지가 API와 주고받은 것입니다. 토큰은 가렸습니다.",
    states: { open: "진행 중", completed: "완료", failed: "실패", cancelled: "취소" },
    events: {
      "job admitted": "접수",
      "job joined": "진행 중인 작업에 합류",
      "job cached": "저장된 답",
      "job claimed": "시작",
      "job taken over": "이어받음",
      "model call": "모델 호출",
      "answer rejected": "답을 거절함",
      climbed: "다음 모델로",
      "part stored": "일부 저장",
      "given back": "되돌려 놓음",
      "job given back": "되돌려 놓음",
      stored: "저장",
      "result stored": "저장",
      failed: "실패",
      "job failed": "실패",
      "job cancelled": "취소",
      "lease lost": "다른 작업자가 맡음",
    },
    waited: (s) => `${round(s)}초 기다림`,
    againIn: (s) => `${round(s)}초 뒤 다시`,
    tokens: (input, output) => `토큰 ${input} → ${output}`,
    user: "사용자",
    push: "푸시 사용",
    clear: "지우기",
    request: "요청",
    answer: "응답",
    received: "받음",
    sent: "보냄",
    opened: "연결됨",
    closed: "닫힘",
    noAnswer: "응답 없음",
    until: (time) => `${time} 이후에 다시 시도해 주세요.`,
    errors: {
      invalid_output: "쓸 수 있는 답이 나오지 않았습니다. 다시 시도해 주세요.",
      refused: "모델이 이 요청에는 답하지 않았습니다. 요청을 바꿔 주세요.",
      model_unavailable: "지금은 모델을 쓸 수 없습니다. 잠시 후 다시 시도해 주세요.",
      deadline_exceeded: "시간이 너무 오래 걸려 그만두었습니다. 다시 시도해 주세요.",
      budget_exceeded: "오늘 쓸 수 있는 예산을 다 썼습니다. 내일 다시 시도해 주세요.",
      internal: "서버에서 문제가 생겼습니다. 다시 시도해 주세요.",
      invalid_request: "요청에 맞지 않는 값이 있습니다.",
      malformed_json: "요청을 읽을 수 없습니다.",
      request_too_large: "요청이 너무 큽니다. 내용을 줄여 주세요.",
      quota_exceeded: "오늘의 요청 횟수를 모두 썼습니다.",
      too_many_jobs: "진행 중인 요청이 너무 많습니다. 하나가 끝난 뒤 다시 보내 주세요.",
      too_many_requests: "요청이 너무 많습니다. 잠시 후 다시 시도해 주세요.",
      dependency_unavailable: "서버가 잠시 준비되지 않았습니다. 아무것도 접수되지 않았으니 다시 보내 주세요.",
      unauthorized: "로그인이 필요합니다. 토큰이 받아들여지지 않았습니다.",
      unreachable: "서버에 연결할 수 없습니다. 인터넷 연결을 확인해 주세요.",
      client_deadline: "너무 오래 기다려 그만두었습니다. 다시 시도해 주세요.",
      malformed_answer: "서버의 답을 이해할 수 없습니다.",
    },
  },
  en: {
    skip: "Skip to the content",
    language: "Language",
    tasks: "Task",
    noTasks: "The list of tasks could not be read. Is the server still running?",
    reload: "Read it again",
    nonsense: "A real but tiny model (SmolLM2-135M) answers. What it writes is nonsense, and many requests fail.",
    optional: "optional",
    unset: "not set",
    yesNo: (value) => (value ? "yes" : "no"),
    none: "none",
    which: "kind",
    key: "name",
    kinds: { text: "Text", number: "Number", decimal: "Number", boolean: "Yes or no", list: "List", mapping: "Entries" },
    asJson: "To be written as JSON.",
    needed: "This is needed.",
    notANumber: "This is no number.",
    notWhole: "This must be a whole number.",
    notJson: "This is no JSON.",
    keyNeeded: "An entry has no name.",
    keyTwice: "Two entries have the same name.",
    bounds: ({ least, above, most, below }) =>
      listed([
        [least, `at least ${least}`],
        [above, `more than ${above}`],
        [most, `at most ${most}`],
        [below, `less than ${below}`],
      ]),
    tooLong: (most) => `This may have ${plural(most, "character", "characters")}.`,
    tooShort: (least) => `This must have ${plural(least, "character", "characters")} at least.`,
    tooMany: (most) => `There may be ${most} of these.`,
    tooFew: (least) => `There must be ${least} of these at least.`,
    chipsHint: "Add each with Enter.",
    chipsPlaceholder: "add one",
    suggestions: "Examples",
    add: (name) => `Add ${name}`,
    addOne: (name) => `+ ${name}`,
    remove: (name) => `Remove ${name}`,
    added: (name) => `${name} added.`,
    removed: (name) => `${name} removed.`,
    duplicate: (name) => `${name} is there already.`,
    fresh: "Make it anew, without a stored answer",
    submit: "Send",
    jobTitle: "Your answer is on the stove",
    stages: { queued: "Wait for a worker", analyzing: "Analyse the request", generating: "Write the answer", done: "Done" },
    submitting: "Sending…",
    resuming: "Picking up where it was…",
    cancelling: "Cancelling…",
    remaining: (s) => (s < 60 ? `about ${s} s left` : `about ${Math.round(s / 60)} min left`),
    elapsed: (s) => (s < 60 ? `${s} s so far` : `${Math.floor(s / 60)} min ${s % 60} s so far`),
    trouble: "The connection is poor. Still trying.",
    cancel: "Cancel",
    cancelFailed: "It could not be cancelled, so it goes on.",
    cancelledTitle: "Cancelled",
    cancelledText: "What you asked is still in the form.",
    failedTitle: "No answer this time",
    laterTitle: "That is all for today",
    missingTitle: "This job is not here",
    missingText: (user) => `It is no longer kept, or it is another user's. You are ${user}.`,
    invalid: "Something is not as it must be. Please mend it and send it again.",
    retry: "Try again",
    edit: "Change the request",
    again: "Start over",
    copy: "Copy",
    copyJson: "Copy JSON",
    copied: "Copied",
    copyFailed: "Not copied",
    share: "Share",
    cached: "stored answer",
    outline: (titles) => `To come: ${titles.join(", ")}`,
    partReady: (title) => `${title}: ready`,
    partWaiting: "still being written",
    goodParts: "What was ready by then is kept, below.",
    table: "Table",
    took: (s) => `took ${round(s)} s`,
    seconds: (s) => `${round(s)} s`,
    trace: "Trace",
    history: "Jobs of this session",
    webhook: "Webhook events",
    webhookHint: "The ends of jobs, as a server of your team would get them by webhook.",
    verified: "signature verified",
    wire: "Requests",
    wireHint: "What this page and the API said to each other. Tokens are masked.",
    states: { open: "under way", completed: "completed", failed: "failed", cancelled: "cancelled" },
    events: {
      "job admitted": "queued",
      "job joined": "joined a job under way",
      "job cached": "a stored answer",
      "job claimed": "started",
      "job taken over": "taken over",
      "model call": "model call",
      "answer rejected": "answer rejected",
      climbed: "next model",
      "part stored": "part stored",
      "given back": "given back",
      "job given back": "given back",
      stored: "stored",
      "result stored": "stored",
      failed: "failed",
      "job failed": "failed",
      "job cancelled": "cancelled",
      "lease lost": "another worker has it",
    },
    waited: (s) => `waited ${round(s)} s`,
    againIn: (s) => `again in ${round(s)} s`,
    tokens: (input, output) => `${input} → ${plural(output, "token", "tokens")}`,
    user: "User",
    push: "Use push",
    clear: "Clear",
    request: "Request",
    answer: "Answer",
    received: "received",
    sent: "sent",
    opened: "opened",
    closed: "closed",
    noAnswer: "no answer",
    until: (time) => `Try again after ${time}.`,
    errors: {
      invalid_output: "No usable answer came out. Please try again.",
      refused: "The model would not answer this. Please change the request.",
      model_unavailable: "No model can be reached right now. Please try again in a moment.",
      deadline_exceeded: "It took too long and was given up. Please try again.",
      budget_exceeded: "Today's budget is spent. Please try again tomorrow.",
      internal: "Something went wrong on the server. Please try again.",
      invalid_request: "Something in the request is not as it must be.",
      malformed_json: "The request could not be read.",
      request_too_large: "The request is too large. Please shorten it.",
      quota_exceeded: "Today's requests are used up.",
      too_many_jobs: "Too many of your requests are under way. Please wait for one to end.",
      too_many_requests: "Too many requests. Please try again in a moment.",
      dependency_unavailable: "The server is not ready. Nothing was accepted: please send it again.",
      unauthorized: "Please sign in: the token was not accepted.",
      unreachable: "The server cannot be reached. Please check your connection.",
      client_deadline: "We waited too long and gave up. Please try again.",
      malformed_answer: "The server's answer makes no sense.",
    },
  },
};

const LANGUAGE = "simmer.language";

const base = (tag) => tag.slice(0, 2).toLowerCase();

let wish = sessionStorage.getItem(LANGUAGE) ?? undefined; // what was chosen by hand
let ui = nearest([wish]);

function nearest(tags) {
  return [...tags, ...navigator.languages].map((tag) => tag && base(tag)).find((tag) => tag in TEXTS) ?? "en";
}

/** The language of the page itself. */
export const uiLanguage = () => ui;

/** The same as the browser has it, with its way to write a date. */
export const uiLocale = () => navigator.languages.find((tag) => base(tag) === ui) ?? ui;

/** The words of the page's language, of `TEXTS` or of a catalogue of the same form. */
export const spoken = (catalogue) => catalogue[ui];
export const texts = () => spoken(TEXTS);

/** Of the languages offered that chosen by hand, or else the nearest to the browser's. */
export function languageOf(offered) {
  const near = (tag) => offered.find((each) => each === tag) ?? offered.find((each) => base(each) === base(tag));
  return [wish, ...navigator.languages].filter(Boolean).map(near).find(Boolean) ?? offered[0];
}

export function wishFor(tag) {
  wish = tag;
  sessionStorage.setItem(LANGUAGE, tag);
}

/** A language by its own name. */
export const nameOf = (tag) => new Intl.DisplayNames([tag], { type: "language" }).of(tag);

/** Let every element with data-text or data-label speak the language of that tag. */
export function speak(tag = wish) {
  ui = nearest([tag]);
  document.documentElement.lang = ui;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = texts()[node.dataset.text];
  for (const node of document.querySelectorAll("[data-label]")) node.ariaLabel = texts()[node.dataset.label];
}
