internal import HTTPMessage
internal import Routing
internal import Synchronization
internal import TLS
internal import Topology

/// A worker's means to sign and check cookies: keys digested once, and room for the tags of one answer.
struct CookieSigner: ~Copyable {
  /// By application; nil: its cookies are not signed.
  private let codes: UnsafeMutablePointer<UnsafeMutablePointer<CookieCodes>?>
  private let applications: Int
  /// As of which keys; 0: nothing is signed.
  fileprivate(set) var generation = 0
  private let room: UnsafeMutableRawPointer
  private var roomUsed = 0

  /// Cookies of the name that one answer can set with a tag.
  private static let tagsMax = 16

  init(applications: Int) {
    self.applications = applications
    codes = .allocate(capacity: max(1, applications))
    codes.initialize(repeating: nil, count: max(1, applications))
    room = .allocate(byteCount: Self.tagsMax * SignedCookie.suffixCount, alignment: 8)
  }

  deinit {
    for application in 0..<applications { Self.free(codes[application]) }
    codes.deallocate()
    room.deallocate()
  }

  private static func free(_ codes: UnsafeMutablePointer<CookieCodes>?) {
    codes?.deinitialize(count: 1)
    codes?.deallocate()
  }

  fileprivate mutating func take(_ secrets: CookieSecrets?, application: Int, named name: String) {
    // Without memory the ones before stay.
    guard let secrets, let made = try? CookieCodes(secrets, application: name) else { return }
    Self.free(codes[application])
    codes[application] = .allocate(capacity: 1)
    codes[application]!.initialize(to: made)
  }

  /// What a value is worth; nil: nothing is signed.
  @inline(__always)
  func judge(_ text: ByteView, session: ByteView, _ cookie: CompiledCookie, application: Int) -> CookieJudgement? {
    guard let codes = codes[application] else { return nil }
    return SignedCookie.judge(
      text, cookie: cookie.name, session: session, isRequired: cookie.requiresTag, with: codes.pointee)
  }

  /// Writes the tag of a value behind it, where tags are given.
  @inline(__always)
  func append(
    tagOf value: ByteView, session: ByteView, _ cookie: CompiledCookie, application: Int, to writer: inout ByteWriter
  ) {
    guard cookie.issuesTag, let codes = codes[application] else { return }
    _ = SignedCookie.append(tagOf: value, cookie: cookie.name, session: session, to: &writer, with: codes.pointee)
  }

  /// A new answer: the room for tags is free again.
  @inline(__always)
  mutating func reset() { roomUsed = 0 }

  /// The tag of a value in memory that stays until the next answer; nil: none is given.
  mutating func tag(of value: ByteView, session: ByteView, _ cookie: CompiledCookie, application: Int) -> ByteView? {
    guard cookie.issuesTag, roomUsed < Self.tagsMax else { return nil }
    var writer = ByteWriter(
      UnsafeMutableRawBufferPointer(start: room + roomUsed * SignedCookie.suffixCount, count: SignedCookie.suffixCount))
    append(tagOf: value, session: session, cookie, application: application, to: &writer)
    guard writer.position > 0 else { return nil }
    roomUsed += 1
    return writer.written
  }
}

/// Cookies that nobody can make up (docs/signed-cookies.md).
extension Worker {
  /// Takes new keys when there are some.
  mutating func refreshCookieKeys() {
    guard let secrets, secrets._withUnsafeGuaranteedRef({ $0.cookieGeneration }) != cookieSigner.generation else {
      return
    }
    let source = secrets.takeUnretainedValue()
    cookieSigner.generation = source.cookieGeneration
    for application in 0..<applicationCount {
      let name = shared.plan.applications[application].name
      cookieSigner.take(source.cookieSecrets(application: application), application: application, named: name)
    }
  }

  /// The value without its tag; nil: it counts as none. `isOurs`: nobody else writes such values.
  mutating func believed(
    _ text: ByteView, isOurs: Bool, session: ByteView, _ cookie: CompiledCookie, _ client: Int32, _ application: Int,
    _ route: inout CookieRoute
  ) -> ByteView? {
    route.isStale = false
    switch cookieSigner.judge(text, session: session, cookie, application: application) {
    case nil: return text
    case .believed(let value, let isFresh):
      if value.count == text.count, isOurs, hasBrokenTag(text, application) { break }
      route.isStale = !isFresh && cookie.issuesTag
      return value
    case .unsigned:
      if isOurs, hasBrokenTag(text, application) { break }
      shared.counters.cookiesUnsigned.wrappingAdd(1, ordering: .relaxed)
      noteCookieTrouble(client, application, "no tag, and one is required")
      return nil
    case .forged: break
    }
    shared.counters.cookiesForged.wrappingAdd(1, ordering: .relaxed)
    noteCookieTrouble(client, application, "a tag of no key of ours")
    return nil
  }

  /// Whether a value that has no tag has a part of one, or more than one: it bears a tag's mark, and is no server's or site's value with it.
  private mutating func hasBrokenTag(_ text: ByteView, _ application: Int) -> Bool {
    for position in 0..<text.count where text[position] == SignedCookie.mark {
      return pools[application].group(named: text[DatedValue(text).server].rawBuffer) < 0
    }
    return false
  }

  private mutating func noteCookieTrouble(_ client: Int32, _ application: Int, _ reason: String) {
    let pointer = clients + Int(client)
    if shared.troubles.note(.cookies(application), reason, pointer.pointee.peerHigh, pointer.pointee.peerLow) {
      shared.controlWaker.wake()
    }
  }

  /// What a value that a server or node set names, without a tag.
  mutating func untagged(_ value: ByteView, _ cookie: CompiledCookie, _ application: Int) -> ByteView {
    if case .believed(let value, _) = cookieSigner.judge(value, session: ByteView(""), cookie, application: application)
    {
      return value
    }
    return value
  }
}
