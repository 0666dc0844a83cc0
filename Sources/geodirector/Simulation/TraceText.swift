import Simulation

/// A user's story: each request, at each node whom it could have asked and why it asked whom it did, and the cookies before
/// and after. Requests that went exactly as the one before are counted, not told.
struct TraceText {
  /// Candidates of an attempt that are told at most; the one that was chosen and those the cookie names always are.
  private static let candidatesMax = 8

  private let trace: UserTrace
  private let style: TerminalStyle

  init(_ trace: UserTrace, _ style: TerminalStyle) {
    self.trace = trace
    self.style = style
  }

  func lines(indent: Int) -> [String] {
    let margin = String(repeating: " ", count: indent)
    var lines: [String] = []
    var index = 0
    while index < trace.requests.count {
      let request = trace.requests[index]
      lines += self.lines(of: request).map { margin + $0 }
      var last = index
      while last + 1 < trace.requests.count, trace.requests[last + 1].isSame(as: request) { last += 1 }
      if last > index {
        let until = Quantities.moment(trace.requests[last].beganNanoseconds)
        let often = last - index == 1 ? "once more" : "\(last - index) times more"
        lines.append(margin + style.paint("  in the same way \(often), until \(until)", .quiet))
      }
      index = last + 1
    }
    if trace.requests.isEmpty { lines.append(margin + "no request") }
    return lines
  }

  private func lines(of request: RequestTrace) -> [String] {
    let cookies = request.cookiesBefore.isEmpty ? "without cookies" : "Cookie: \(request.cookiesBefore)"
    let began = Quantities.moment(request.beganNanoseconds)
    var lines = [style.paint("at \(began) \(request.method)", .strong) + ", \(cookies)"]
    for attempt in request.attempts { lines += self.lines(of: attempt) }
    lines.append("  " + result(of: request))
    return lines
  }

  private func lines(of attempt: AttemptTrace) -> [String] {
    let margin = String(repeating: " ", count: 2 + 2 * min(attempt.depth, 8))
    guard let chosen = attempt.chosen else { return ["\(margin)\(attempt.node): \(attempt.outcome)"] }
    let outcome = attempt.outcome.isEmpty ? "no answer yet" : attempt.outcome
    var lines = ["\(margin)\(attempt.node) \(style.arrow) \(chosen) (\(attempt.reason)): \(outcome)"]
    // One candidate is no choice.
    guard attempt.candidates.count > 1 else { return lines }
    var words: [String] = []
    var further = 0
    for candidate in attempt.candidates {
      if words.count < Self.candidatesMax || candidate.isNamed || candidate.name == chosen {
        words.append(self.words(of: candidate))
      } else {
        further += 1
      }
    }
    if further > 0 { words.append("and \(further) further") }
    var line = ""
    for word in words {
      if !line.isEmpty, margin.count + 4 + line.count + word.count > PhaseTable.widthMax - 8 {
        lines.append(margin + "    " + style.paint(line + ",", .quiet))
        line = ""
      }
      line += (line.isEmpty ? "" : ", ") + word
    }
    lines.append(margin + "    " + style.paint(line, .quiet))
    return lines
  }

  /// What the node believed, and where it was wrong what was true.
  private func words(of candidate: CandidateTrace) -> String {
    let isBelievedReachable = !candidate.belief.hasPrefix("down")
    var word = candidate.name + (candidate.isNamed ? " (in the cookie)" : "") + " \(candidate.belief)"
    if isBelievedReachable, !candidate.isReachable { word += " but cannot be reached" }
    if !isBelievedReachable, candidate.isReachable { word += " but could be reached" }
    return word
  }

  private func result(of request: RequestTrace) -> String {
    guard let ended = request.endedNanoseconds else { return "not answered when the scenario ended" }
    let isError = request.status ?? 0 == 0 || request.status ?? 0 >= 500
    var text = request.status.map { "\($0)" } ?? "no answer"
    if let server = request.server { text += " from \(server)" }
    text = style.paint(text, isError ? .bad : .good)
    text += " after \(Quantities.latency(ended - request.beganNanoseconds))"
    if request.lostSession { text += ", " + style.paint("session lost", .bad) }
    if request.isNewSession { text += request.lostSession ? ", a new one begun" : ", session begun" }
    let jar = request.cookiesAfter
    return text
      + (jar == request.cookiesBefore ? ", cookies unchanged" : jar.isEmpty ? ", no cookies" : ", then \(jar)")
  }
}

extension RequestTrace {
  /// Whether another request went the same way for the same reasons, to the same effect.
  fileprivate func isSame(as other: RequestTrace) -> Bool {
    method == other.method && cookiesBefore == other.cookiesBefore && cookiesAfter == other.cookiesAfter
      && status == other.status && server == other.server && isNewSession == other.isNewSession
      && lostSession == other.lostSession && (endedNanoseconds == nil) == (other.endedNanoseconds == nil)
      && attempts.elementsEqual(other.attempts) {
        $0.node == $1.node && $0.depth == $1.depth && $0.chosen == $1.chosen && $0.reason == $1.reason
          && $0.outcome == $1.outcome && $0.candidates == $1.candidates
      }
  }
}
