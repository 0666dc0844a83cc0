internal import HTTPMessage
internal import Routing
internal import Synchronization
internal import Topology

/// What the cookies of a request say, and what is to be done to them on the way to the server.
struct CookieRoute {
  /// A cookie of the name is there.
  var isPresent = false
  /// The group named; -1: none.
  var group: Int32 = -1
  /// Prefix mode: what is taken from the front of the value, by position in the head.
  var prefix = ByteRange()
  /// Unix seconds from a dated value; 0: none.
  var lastSeen: UInt32 = 0
  var firstGiven: UInt32 = 0
  /// Prefix mode: the session id behind the prefix, by position in the head.
  var session = ByteRange()
  /// It is believed, but has no tag of the newest key.
  var isStale = false
  /// The field that holds this cookie and nothing else; -1: none does.
  var onlyIn: Int32 = -1
}

/// Heads on their way to the server: cookies read and taken out, forwarding fields added.
extension Worker {
  /// Where the request belongs by its cookies (rules B1, B2, B3).
  mutating func readCookies(
    _ client: Int32, _ view: ByteView, _ head: RequestHead, _ app: UnsafeMutablePointer<CompiledApplication>,
    _ route: inout CookieRoute
  ) -> Binding {
    guard let first = head.firstCookie, let cookie = app.pointee.cookie else { return .none }
    let application = app - applications
    var best = Binding.none
    var index: Int? = first
    var judged = 0
    while let field = index {
      let start = fields[field].value.start
      let value = view[fields[field].value]
      var scanner = CookieScanner(value)
      var isFirst = true
      while let pair = scanner.next() {
        guard value[pair.name].equals(cookie.name) else {
          isFirst = false
          continue
        }
        if isFirst && scanner.isAtEnd { route.onlyIn = Int32(truncatingIfNeeded: field) }
        isFirst = false
        route.isPresent = true
        // What stands behind is taken out with the others, and counts as none.
        if judged == SignedCookie.candidatesMax && cookieSigner.generation > 0 { continue }
        judged += 1
        let found =
          cookie.mode == .prefix
          ? readPrefixed(client, value[pair.value], at: start + pair.value.start, application, cookie, &route)
          : readDated(client, value[pair.value], application, cookie, &route)
        if cookie.mode == .prefix { return found }
        // The first usable one decides; without one, the first that is understood.
        if found.group >= 0 && pools[application].isUsable(group: found.group) {
          route.group = found.group
          return found
        }
        if best.presence == .none || (best.group < 0 && found.group >= 0) { best = found }
      }
      index = fields.firstIndex(of: .cookie, from: field + 1)
    }
    route.group = best.group
    return best
  }

  private mutating func readPrefixed(
    _ client: Int32, _ value: ByteView, at start: Int, _ application: Int, _ cookie: CompiledCookie,
    _ route: inout CookieRoute
  ) -> Binding {
    let parts = PrefixedValue(value)
    if parts.hasPrefix { route.prefix = ByteRange(start, start + parts.session.start) }
    let session = parts.hasPrefix ? value[parts.session] : ByteView("")
    // Without a prefix it is the application's own, and may look like anything.
    let text = value[parts.server]
    let isOurs = parts.hasPrefix
    guard let name = believed(text, isOurs: isOurs, session: session, cookie, client, application, &route) else {
      return .none
    }
    let group = pools[application].group(named: name.rawBuffer)
    route.group = group
    guard parts.hasPrefix else {
      // A bare value may be a server's name; it passes unchanged.
      return Binding(presence: group >= 0 ? .named : .unknown, group: group, sessionHash: 0)
    }
    route.session = ByteRange(start + parts.session.start, start + parts.session.end)
    return Binding(
      presence: group >= 0 ? .named : .unknown, group: group,
      sessionHash: parts.session.isEmpty ? 0 : StableHash.hash(value[parts.session].rawBuffer) | 1)
  }

  private mutating func readDated(
    _ client: Int32, _ text: ByteView, _ application: Int, _ cookie: CompiledCookie, _ route: inout CookieRoute
  ) -> Binding {
    let none = ByteView("")
    guard let value = believed(text, isOurs: true, session: none, cookie, client, application, &route) else {
      return .none
    }
    let dated = DatedValue(value)
    let group = pools[application].group(named: value[dated.server].rawBuffer)
    let binding = Binding.dated(
      group: group, lastSeen: dated.lastSeen, firstGiven: dated.firstGiven, maxIdle: cookie.maxIdle,
      maxLife: cookie.maxLife, seconds: (now + realtimeOffset) / 1_000_000_000)
    if binding.presence == .named {
      route.lastSeen = dated.lastSeen ?? 0
      route.firstGiven = dated.firstGiven ?? 0
    }
    return binding
  }

  /// Writes the head as it goes to the server.
  mutating func writeRequest(
    _ client: Int32, _ view: ByteView, _ head: RequestHead, _ app: UnsafeMutablePointer<CompiledApplication>,
    _ route: CookieRoute, into writer: inout ByteWriter
  ) {
    let pointer = clients + Int(client)
    pointer.pointee.cookieFirst = route.firstGiven
    pointer.pointee.cookieLast = route.lastSeen
    pointer.pointee.cookiePresent = route.isPresent
    if route.isStale { pointer.pointee.flags.insert(.staleTag) }
    // As a rule the line is passed on as it is: the parser has seen to its form.
    let isVerbatim = head.targetForm == .origin && head.minorVersion == 1 && !redirectsPublic
    if isVerbatim {
      pointer.pointee.requestLine = Int32(truncatingIfNeeded: head.fieldsStart - head.start - Self.versionCount)
    } else {
      writeRequestLine(client, view, head, app, into: &writer)
    }
    if head.hostDiffers {
      writer.append("Host: ")
      writer.append(view[head.host])
      writer.append("\r\n")
      fields.drop(.host)
    }
    fields.dropHopByHop(in: view, except: head.upgrade ? [.transferEncoding, .upgrade] : .transferEncoding)
    if isOutermost[Int(pointer.pointee.listener)] && shared.plan.listeners[Int(pointer.pointee.listener)].isPublic {
      fields.drop(.xForwardedFor)
      fields.drop(.xForwardedProto)
      fields.drop(.xForwardedHost)
      fields.drop(.forwarded)
      fields.drop(.xOriginalTo)
    }
    // To an expectation of HTTP/1.0 nobody answers (RFC 9110 section 10.1.1).
    if head.minorVersion == 0 { fields.drop(.expect) }
    editRequest(view, head, app, route)
    editor.write(view, from: isVerbatim ? head.start : head.fieldsStart, to: head.length - 2, into: &writer)
    appendForwarding(client, view, head, app, into: &writer)
    if head.upgrade { writer.append("Connection: upgrade\r\n") }
    writer.append(head.minorVersion == 0 ? lastLine10 : lastLine11)
    // The session id is needed again when the response tells the client of another server (rule B6).
    pointer.pointee.sessionLength = 0
    if !route.session.isEmpty && route.session.count <= Flight.sessionMax {
      pointer.pointee.request.reserved.copyMemory(
        from: view[route.session].rawBuffer.baseAddress!, byteCount: route.session.count)
      pointer.pointee.sessionLength = UInt16(route.session.count)
    }
  }

  /// Bytes of a request line behind its target: a space, the version and the line's end.
  private static let versionCount = 11

  /// Writes a request line that is not the one received.
  private mutating func writeRequestLine(
    _ client: Int32, _ view: ByteView, _ head: RequestHead, _ app: UnsafeMutablePointer<CompiledApplication>,
    into writer: inout ByteWriter
  ) {
    writer.append(view[head.methodName])
    writer.append(byte: 0x20)
    if head.path.isEmpty || (head.targetForm == .absolute && view[head.path.start] == 0x3F) {
      writer.append(head.method == .options && head.path.isEmpty ? "*" : "/")
    }
    writer.append(redirectsPublic ? unmarked(view[head.path], client, app) : view[head.path])
    clients[Int(client)].requestLine = Int32(writer.position)
    // A request of HTTP/1.0 that names no host stays one: HTTP/1.1 would demand a name (RFC 9112 section 3.2).
    writer.append(head.host.isEmpty ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n")
  }

  private mutating func editRequest(
    _ view: ByteView, _ head: RequestHead, _ app: UnsafeMutablePointer<CompiledApplication>, _ route: CookieRoute
  ) {
    editor.reset()
    let removes = route.isPresent && app.pointee.cookie?.mode == .insert && app.pointee.cookie?.indirect == true
    for index in 0..<fields.count {
      let field = fields[index]
      if field.isDropped {
        editor.delete(field.line)
        continue
      }
      if field.id == .maxForwards {
        if head.maxForwards > 0 { lowerMaxForwards(head.maxForwards, field) }
        continue
      }
      guard field.id == .cookie, route.isPresent else { continue }
      if removes && route.onlyIn == Int32(truncatingIfNeeded: index) {
        editor.delete(field.line)
      } else if removes {
        removeCookie(app.pointee.cookie!.name, view, field)
      } else if !route.prefix.isEmpty && route.prefix.start >= field.value.start && route.prefix.end <= field.value.end
      {
        editor.delete(route.prefix)
      }
    }
  }

  private mutating func removeCookie(_ name: ByteView, _ view: ByteView, _ field: Field) {
    let before = editor.count
    var removal = CookieRemoval(of: name, from: view[field.value])
    while let range = removal.next() { editor.delete(range.shifted(by: field.value.start)) }
    if removal.emptiesField {
      editor.forget(behind: before)
      editor.delete(field.line)
    }
  }

  /// TRACE and OPTIONS have one such field at most (RFC 9110 section 7.6.2); a number beyond all paths was capped.
  private mutating func lowerMaxForwards(_ value: Int32, _ field: Field) {
    // Written into the worker's scratch, which outlives the copy.
    var number = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: 24))
    number.append(decimal: UInt64(value - 1))
    editor.replace(field.value, with: number.written, nil)
  }

  private mutating func appendForwarding(
    _ client: Int32, _ view: ByteView, _ head: RequestHead, _ app: UnsafeMutablePointer<CompiledApplication>,
    into writer: inout ByteWriter
  ) {
    let pointer = clients + Int(client)
    if app.pointee.forwardedFor && !isExcepted(pointer.pointee.peerHigh, pointer.pointee.peerLow, app) {
      writer.append("X-Forwarded-For: ")
      writer.append(addressHigh: pointer.pointee.peerHigh, low: pointer.pointee.peerLow)
      writer.append("\r\n")
    }
    // What a node before us said of the client's side stands; not what is removed, be it by the client's own Connection.
    if fields.keeps(.xForwardedProto) {
      if saysHTTPS(view) { pointer.pointee.flags.insert(.https) }
    } else {
      let isSecure = speaksTLS(client)
      if isSecure { pointer.pointee.flags.insert(.https) }
      if app.pointee.forwardedProto {
        if isSecure {
          writer.append("X-Forwarded-Proto: https\r\n")
        } else {
          writer.append("X-Forwarded-Proto: http\r\n")
        }
      }
    }
    if app.pointee.forwardedHost && !fields.keeps(.xForwardedHost) && !head.host.isEmpty {
      writer.append("X-Forwarded-Host: ")
      writer.append(view[head.host])
      writer.append("\r\n")
    }
    if app.pointee.originalTo { appendOriginalTo(client, into: &writer) }
  }

  /// What the node in front said of the user's side. Who lies gets a cookie that the browser does not send, or over http, too.
  private func saysHTTPS(_ view: ByteView) -> Bool {
    guard let index = fields.firstIndex(of: .xForwardedProto) else { return false }
    return view[fields[index].value].equalsIgnoringCase(ByteView("https"))
  }

  /// Where the request comes from, for algorithms and orders of sites that go by it, and for the log: the last address in X-Forwarded-For, or
  /// Forwarded, that no trusted proxy has, as far as trusted proxies say so, else the peer (rule H).
  mutating func clientAddress(
    _ client: Int32, _ view: ByteView, _ app: UnsafeMutablePointer<CompiledApplication>
  ) -> AddressBits {
    var address = AddressBits(high: clients[Int(client)].peerHigh, low: clients[Int(client)].peerLow)
    guard pools[app - applications].usesClientAddress || orderGeneration > 0 || log.isOn else { return address }
    let isForwarded = app.pointee.clientField == .forwarded
    var index = fields.count
    while index > 0 {
      index -= 1
      guard fields[index].id == (isForwarded ? .forwarded : .xForwardedFor), !fields[index].isDropped else { continue }
      if isForwarded {
        var nodes = ForwardedNodes(view[fields[index].value])
        while isTrusted(address, app), let node = nodes.next() {
          guard case .address(let further) = node else { return address }
          address = further
        }
        continue
      }
      var members = ForwardedForScanner(view[fields[index].value])
      while isTrusted(address, app), let member = members.next() {
        guard let further = AddressBits(forwarded: member) else { return address }
        address = further
      }
    }
    return address
  }

  private mutating func isTrusted(_ address: AddressBits, _ app: UnsafeMutablePointer<CompiledApplication>) -> Bool {
    for network in app.pointee.trusted where network.contains(address.high, address.low) { return true }
    return false
  }

  private mutating func isExcepted(_ high: UInt64, _ low: UInt64, _ app: UnsafeMutablePointer<CompiledApplication>)
    -> Bool
  {
    for network in app.pointee.forwardedForExcept where network.contains(high, low) { return true }
    return false
  }
}

extension ByteWriter {
  /// Writes an address given in 128-bit form as text: dotted for IPv4, RFC 5952 for IPv6.
  mutating func append(addressHigh high: UInt64, low: UInt64) {
    if high == 0 && low >> 32 == 0xFFFF {
      append(dotted: UInt32(truncatingIfNeeded: low))
      return
    }
    func group(_ index: Int) -> UInt64 {
      index < 4 ? high >> UInt64(48 - 16 * index) & 0xFFFF : low >> UInt64(48 - 16 * (index - 4)) & 0xFFFF
    }
    // The first longest run of at least two zero groups is left out.
    var bestStart = -1
    var bestLength = 1
    var index = 0
    while index < 8 {
      var end = index
      while end < 8 && group(end) == 0 { end += 1 }
      if end - index > bestLength {
        bestStart = index
        bestLength = end - index
      }
      index = max(end, index + 1)
    }
    index = 0
    while index < 8 {
      if index == bestStart {
        append("::")
        index += bestLength
        continue
      }
      append(hexadecimal: group(index))
      index += 1
      if index < 8 && index != bestStart { append(byte: 0x3A) }
    }
  }
}
