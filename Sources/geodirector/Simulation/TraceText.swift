import Simulation

/// A user's story: each request, at each node whom it could have asked and why it asked whom it did, and the cookies before
/// and after. Of requests in a row that went alike the first is told and the others are counted.
struct TraceText {
  /// Candidates of an attempt that are told at most; the one that was chosen and those the cookie names always are.
  private static let candidatesMax = 8

  private let trace: UserTrace
  private let style: TerminalStyle
  private let indent: Int

  init(_ trace: UserTrace, _ style: TerminalStyle, indent: Int) {
    self.trace = trace
    self.style = style
    self.indent = indent
  }

  var lines: [String] {
    let margin = String(repeating: " ", count: indent)
    guard !trace.requests.isEmpty else { return [margin + "no request"] }
    var lines: [String] = []
    var index = 0
    while index < trace.requests.count {
      let request = trace.requests[index]
      var next = index + 1
      while next < trace.requests.count, trace.requests[next].isAlike(request) { next += 1 }
      lines += self.lines(of: request).map { margin + $0 }
      if next > index + 1 {
        lines += repeats(trace.requests[index + 1..<next], of: request).map { margin + "  " + style.paint($0, .quiet) }
      }
      index = next
    }
    return lines
  }

  private func lines(of request: RequestTrace) -> [String] {
    let cookies = request.cookiesBefore.isEmpty ? "without cookies" : "Cookie: \(request.cookiesBefore)"
    let began = Quantities.moment(request.beganNanoseconds)
    var lines = [style.paint("at \(began) \(request.method)", .strong) + ", \(cookies)"]
    for attempt in request.attempts { lines += self.lines(of: attempt) }
    lines += result(of: request).map { "  " + $0 }
    return lines
  }

  private func lines(of attempt: AttemptTrace) -> [String] {
    let margin = String(repeating: " ", count: 2 + 2 * min(attempt.depth, 8))
    guard let chosen = attempt.chosen else { return ["\(margin)\(attempt.node): \(attempt.outcome)"] }
    let outcome = attempt.outcome.isEmpty ? "no answer yet" : attempt.outcome
    let line = "\(margin)\(attempt.node) \(style.arrow) \(chosen) (\(attempt.reason)): \(outcome)"
    // One candidate is no choice.
    guard attempt.candidates.count > 1 else { return [line] }
    var told: [String] = []
    var further = 0
    for candidate in attempt.candidates {
      if told.count < Self.candidatesMax || candidate.isNamed || candidate.name == chosen {
        told.append(words(of: candidate))
      } else {
        further += 1
      }
    }
    if further > 0 { told.append("and \(further) further") }
    return [line] + joined(told, margin: margin + "    ")
  }

  /// Parts with commas between, in as many lines as they need.
  private func joined(_ parts: [String], margin: String) -> [String] {
    var lines: [String] = []
    var line = ""
    for part in parts {
      if !line.isEmpty, indent + margin.count + line.count + part.count + 3 > TerminalStyle.columns {
        lines.append(margin + style.paint(line + ",", .quiet))
        line = ""
      }
      line += (line.isEmpty ? "" : ", ") + part
    }
    return lines + [margin + style.paint(line, .quiet)]
  }

  /// What the node believed, and where it was wrong what was true.
  private func words(of candidate: CandidateTrace) -> String {
    let isBelievedReachable = candidate.belief != "down"
    var word = candidate.name + (candidate.isNamed ? " (in the cookie)" : "") + " \(candidate.belief)"
    if isBelievedReachable, !candidate.isReachable { word += " but cannot be reached" }
    if !isBelievedReachable, candidate.isReachable { word += " but could be reached" }
    return word
  }

  private func result(of request: RequestTrace) -> [String] {
    guard let ended = request.endedNanoseconds else { return ["not answered when the scenario ended"] }
    let isError = request.status ?? 0 == 0 || request.status ?? 0 >= 500
    var text = request.status.map { "\($0)" } ?? "no answer"
    if let server = request.server { text += " from \(server)" }
    text = style.paint(text, isError ? .bad : .good)
    text += " after \(Quantities.latency(ended - request.beganNanoseconds))"
    if request.lostSession { text += ", " + style.paint("session lost", .bad) }
    if request.isNewSession { text += request.lostSession ? ", a new one begun" : ", session begun" }
    if request.cookiesAfter == request.cookiesBefore { return [text + ", cookies unchanged"] }
    return [text, "cookies then: \(request.cookiesAfter.isEmpty ? "none" : request.cookiesAfter)"]
  }

  /// How often a request was repeated, and by which other ways.
  private func repeats(_ others: ArraySlice<RequestTrace>, of request: RequestTrace) -> [String] {
    var ways: [(way: String, count: Int)] = []
    let told = way(of: request)
    for other in others {
      let way = way(of: other)
      if way == told { continue }
      if let known = ways.firstIndex(where: { $0.way == way }) {
        ways[known].count += 1
      } else {
        ways.append((way, 1))
      }
    }
    let until = Quantities.moment(others.last?.beganNanoseconds ?? 0)
    let often = others.count == 1 ? "once more, at" : "\(others.count) times more, until"
    return ["the same \(often) \(until)"] + ways.map { "  \($0.count) of them by \($0.way)" }
  }

  private func way(of request: RequestTrace) -> String {
    var way = request.attempts.first.map { [$0.node] } ?? []
    for attempt in request.attempts { if let chosen = attempt.chosen { way.append(chosen) } }
    return way.joined(separator: " \(style.arrow) ")
  }
}

extension RequestTrace {
  /// Whether another request came with the same cookies and went on for the same reasons to the same effect, if by other nodes.
  fileprivate func isAlike(_ other: RequestTrace) -> Bool {
    cookiesBefore == other.cookiesBefore && cookiesAfter == other.cookiesAfter && status == other.status
      && server == other.server && isNewSession == other.isNewSession && lostSession == other.lostSession
      && (endedNanoseconds == nil) == (other.endedNanoseconds == nil)
      && attempts.elementsEqual(other.attempts) {
        $0.depth == $1.depth && ($0.chosen == nil) == ($1.chosen == nil) && $0.reason == $1.reason
          && ($0.outcome == $1.outcome || $0.chosen == nil)
      }
  }
}
