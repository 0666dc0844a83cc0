internal import HTTPMessage
internal import Routing
internal import Topology

/// The cookies of a request as names and values, in their order.
struct CookieJar: Equatable {
  struct Cookie: Equatable {
    var name: String
    var value: String
  }
  private(set) var cookies: [Cookie] = []

  /// Reads the value of a field `Cookie`.
  init(_ field: String) {
    let bytes = Array(field.utf8)
    cookies = bytes.withUnsafeBytes { buffer in
      let view = ByteView(buffer)
      var scanner = CookieScanner(view)
      var found: [Cookie] = []
      while let pair = scanner.next() {
        found.append(
          Cookie(
            name: String(decoding: view[pair.name].rawBuffer, as: UTF8.self),
            value: String(decoding: view[pair.value].rawBuffer, as: UTF8.self)))
      }
      return found
    }
  }

  /// The field's value; empty: no cookie.
  var text: String { cookies.map { "\($0.name)=\($0.value)" }.joined(separator: "; ") }

  /// The values of a name.
  func values(of name: String) -> [String] { cookies.filter { $0.name == name }.map(\.value) }

  /// Takes every cookie of a name out.
  mutating func remove(_ name: String) { cookies.removeAll { $0.name == name } }

  /// Gives the first cookie of a name another value.
  mutating func replaceFirst(_ name: String, with value: String) {
    guard let index = cookies.firstIndex(where: { $0.name == name }) else { return }
    cookies[index].value = value
  }

  /// What a browser does with a field `Set-Cookie`; paths and domains play no part here.
  mutating func store(_ setCookie: String) {
    let bytes = Array(setCookie.utf8)
    let set = bytes.withUnsafeBytes { buffer -> (name: String, value: String, isGone: Bool)? in
      let field = ByteView(buffer)
      guard let view = SetCookieView(field) else { return nil }
      return (
        String(decoding: field[view.name].rawBuffer, as: UTF8.self),
        String(decoding: field[view.value].rawBuffer, as: UTF8.self), view.value.isEmpty && view.expires != nil
      )
    }
    guard let set else { return }
    if set.isGone {
      remove(set.name)
    } else if cookies.contains(where: { $0.name == set.name }) {
      replaceFirst(set.name, with: set.value)
    } else {
      cookies.append(Cookie(name: set.name, value: set.value))
    }
  }
}

/// What a node reads in the cookies of a request (rules B1 to B3).
struct CookieReading {
  /// Where the request belongs.
  var binding = Binding.none
  /// The value that decided, as it came; nil: no cookie of the name.
  var value: String?
  /// The part of the value that names a server or site.
  var named = ""
  /// Prefix mode: the session id behind the prefix.
  var session: String?
  /// Seconds since 1970 from a dated value.
  var lastSeen: UInt32 = 0
  var firstGiven: UInt32 = 0

  /// Reads the cookies that a pool goes by; `seconds` is the time since 1970.
  init(_ jar: CookieJar, _ plan: CookiePlan?, _ pool: borrowing Pool, seconds: Int64) {
    guard let plan else { return }
    for value in jar.values(of: plan.name) {
      let found = plan.mode == .prefix ? Self(prefixed: value, pool) : Self(dated: value, plan, pool, seconds)
      // Of a prefix only the first counts; else the first usable one decides, without one the first understood.
      if plan.mode == .prefix || (found.binding.group >= 0 && pool.isUsable(group: found.binding.group)) {
        self = found
        return
      }
      let isBetter = binding.group < 0 && found.binding.group >= 0
      if self.value == nil || isBetter { self = found }
    }
  }

  private init(prefixed value: String, _ pool: borrowing Pool) {
    let bytes = Array(value.utf8)
    self.value = value
    var named = ""
    var session: String?
    var group: Int32 = -1
    var hash: UInt64 = 0
    bytes.withUnsafeBytes { buffer in
      let view = ByteView(buffer)
      let parts = PrefixedValue(view)
      group = pool.group(named: view[parts.server].rawBuffer)
      named = String(decoding: view[parts.server].rawBuffer, as: UTF8.self)
      guard parts.hasPrefix, !parts.session.isEmpty else { return }
      session = String(decoding: view[parts.session].rawBuffer, as: UTF8.self)
      hash = StableHash.hash(view[parts.session].rawBuffer) | 1
    }
    self.named = named
    self.session = session
    binding = Binding(presence: group >= 0 ? .named : .unknown, group: group, sessionHash: hash)
  }

  private init(dated value: String, _ plan: CookiePlan, _ pool: borrowing Pool, _ seconds: Int64) {
    let bytes = Array(value.utf8)
    self.value = value
    var named = ""
    var group: Int32 = -1
    var last: UInt32?
    var first: UInt32?
    bytes.withUnsafeBytes { buffer in
      let view = ByteView(buffer)
      let parts = DatedValue(view)
      group = pool.group(named: view[parts.server].rawBuffer)
      named = String(decoding: view[parts.server].rawBuffer, as: UTF8.self)
      last = parts.lastSeen
      first = parts.firstGiven
    }
    self.named = named
    lastSeen = last ?? 0
    firstGiven = first ?? 0
    binding = .dated(
      group: group, lastSeen: last, firstGiven: first, maxIdle: plan.maxIdle?.nanosecondsClamped ?? 0,
      maxLife: plan.maxLife?.nanosecondsClamped ?? 0, seconds: seconds)
  }
}
