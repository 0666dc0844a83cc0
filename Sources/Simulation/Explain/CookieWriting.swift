internal import HTTPMessage
internal import Topology

/// What a node does to the cookies of an answer. Whether the client is told anything is for Routing to say.
struct CookieWriting {
  let plan: CookiePlan
  let reading: CookieReading
  /// The value that names the server that answered; nil: it has none.
  let value: String?
  /// Seconds since 1970.
  let seconds: Int64

  /// The fields `Set-Cookie` as they leave the node.
  func apply(to fields: [String], insertIsNews: Bool, prefixIsNews: Bool) -> [String] {
    switch plan.mode {
    case .passive: return fields
    case .insert:
      let isOwn = { (field: String) in CookieJar(setting: field)?.name == plan.name }
      if plan.preserve, fields.contains(where: isOwn) { return fields }
      let kept = plan.indirect ? fields.filter { !isOwn($0) } : fields
      guard insertIsNews || needsRefresh else { return kept }
      guard let value else {
        return reading.value == nil ? kept : kept + ["\(plan.name)=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"]
      }
      return kept + ["\(plan.name)=\(value)\(dates(isNews: insertIsNews))\(attributes(path: plan.path ?? "/"))"]
    case .prefix:
      guard let value else { return fields }
      if let index = fields.firstIndex(where: { CookieJar(setting: $0)?.name == plan.name }) {
        var fields = fields
        let rest = fields[index].dropFirst(plan.name.count + 1)
        fields[index] = "\(plan.name)=\(value)~\(rest)"
        return fields
      }
      // Without a configured path the attributes are learned from the application, which has set its cookie before.
      guard prefixIsNews, let session = reading.session else { return fields }
      return fields + ["\(plan.name)=\(value)~\(session)\(attributes(path: plan.path ?? "/"))"]
    }
  }

  /// Dates have a grain of four seconds: within it there is nothing new to tell.
  private var needsRefresh: Bool {
    plan.maxIdle != nil && reading.lastSeen / 4 != (UInt32(truncatingIfNeeded: seconds) + 3) / 4
  }

  private func dates(isNews: Bool) -> String {
    guard plan.maxIdle != nil || plan.maxLife != nil else { return "" }
    let now = UInt32(truncatingIfNeeded: seconds)
    guard plan.maxLife != nil else { return "|" + Self.date(now) }
    return "|" + Self.date(now) + "|" + Self.date(isNews || reading.firstGiven == 0 ? now : reading.firstGiven)
  }

  private static func date(_ seconds: UInt32) -> String {
    withUnsafeTemporaryAllocation(byteCount: CookieDate.characterCount, alignment: 1) { memory in
      var writer = ByteWriter(memory)
      writer.append(cookieDate: seconds)
      return String(decoding: writer.written.rawBuffer, as: UTF8.self)
    }
  }

  private func attributes(path: String) -> String {
    var text = "; path=\(path)"
    if let domain = plan.domain { text += "; domain=\(domain)" }
    if plan.httpOnly { text += "; HttpOnly" }
    if plan.secure { text += "; Secure" }
    if let sameSite = plan.sameSite { text += "; SameSite=\(sameSite.rawValue)" }
    return text
  }
}

extension CookieJar {
  /// Name and value of a field `Set-Cookie`; nil: it has none.
  init?(setting field: String) {
    self.init("")
    store(field)
    if cookies.isEmpty { return nil }
  }

  /// The name of the only cookie.
  var name: String { cookies.first?.name ?? "" }
  /// The value of the only cookie.
  var value: String { cookies.first?.value ?? "" }
}
