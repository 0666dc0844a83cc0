internal import HTTPMessage
internal import Routing
internal import Synchronization
internal import Topology

/// Heads on their way to the client: hop-by-hop fields and node names taken out, cookies written (rules B4 to B6).
extension Worker {
  mutating func writeStatusLine(_ head: ResponseHead, _ view: ByteView, into writer: inout ByteWriter) {
    writer.append("HTTP/1.1 ")
    writer.append(decimal: UInt64(head.status))
    writer.append(byte: 0x20)
    writer.append(view[head.reason])
    writer.append("\r\n")
  }

  /// Writes the head of a final response as it goes to the client.
  mutating func writeResponse(
    _ client: Int32, _ view: ByteView, _ head: ResponseHead, into writer: inout ByteWriter
  ) {
    let pointer = clients + Int(client)
    let app = applications + Int(pointer.pointee.application)
    let isTunnel = head.status == 101
    var exceptions: FieldTable.HopByHopExceptions = []
    // Not for HTTP/1.0, also where there is no body to be dechunked (RFC 9112 section 6.1).
    if !pointer.pointee.flags.contains(.isHTTP10) { exceptions.insert(.transferEncoding) }
    if isTunnel { exceptions.insert(.upgrade) }
    fields.dropHopByHop(in: view, except: exceptions)
    // Proxy-Status is for our own nodes: servers have no say in it, and the public learns no names (rule D3).
    if head.lastProxyStatus != nil
      && (isOutermost[Int(pointer.pointee.listener)]
        || !pools[Int(pointer.pointee.application)].isNode(pointer.pointee.exchange.server))
    {
      fields.drop(.proxyStatus)
    }
    // As a rule the line is passed on as it is: the parser has seen to its form.
    let isVerbatim = head.minorVersion == 1 && head.hasReasonSpace
    if !isVerbatim { writeStatusLine(head, view, into: &writer) }
    editor.reset()
    cookieSigner.reset()
    let serverSet = editResponse(client, view, head, app)
    editor.write(view, from: isVerbatim ? 0 : head.fieldsStart, to: head.length - 2, into: &writer)
    appendCookie(client, head, app, serverSet: serverSet, into: &writer)
    // A Date that Connection names does not go on, and is then the recipient's to give (RFC 9110 section 6.6.1).
    if !head.hasDate || (head.connectionNamesFields && fields.isDropped(.date)) { appendDate(into: &writer) }
    appendStrictTransport(client, into: &writer)
    if isTunnel {
      writer.append("Connection: upgrade\r\n")
    } else {
      endAfterUnreadBody(client)
      appendPersistence(client, into: &writer)
    }
    writer.append("\r\n")
  }

  /// An answer to a request whose body has not been read to its end is the last one on its connection: what is still to come is no next
  /// request (RFC 9112 section 9.3). That is decided before the head is written, as the client has to be told (section 9.6).
  @inline(__always)
  mutating func endAfterUnreadBody(_ client: Int32) {
    guard !clients[Int(client)].requestBody.isComplete else { return }
    clients[Int(client)].flags.remove(.keepAlive)
    clients[Int(client)].flags.insert(.lingerAfter)
  }

  /// When it was received, of a message that its sender has not dated (RFC 9110 section 6.6.1).
  mutating func appendDate(into writer: inout ByteWriter) {
    writer.append("Date: ")
    writer.append(httpDate: UInt64(max(0, now + realtimeOffset)) / 1_000_000_000)
    writer.append("\r\n")
  }

  /// Whether the client may send another request, where its version does not say so by itself (RFC 9112 section 9.3).
  mutating func appendPersistence(_ client: Int32, into writer: inout ByteWriter) {
    let flags = clients[Int(client)].flags
    if !flags.contains(.keepAlive) {
      writer.append("Connection: close\r\n")
    } else if flags.contains(.isHTTP10) {
      writer.append("Connection: keep-alive\r\n")
    }
  }

  /// Goes over the fields; tells whether the server set a cookie of the routing cookie's name that stays.
  private mutating func editResponse(
    _ client: Int32, _ view: ByteView, _ head: ResponseHead, _ app: UnsafeMutablePointer<CompiledApplication>
  ) -> Bool {
    var stays = false
    var moved = false
    let pointer = clients + Int(client)
    let server = pointer.pointee.exchange.server
    for index in 0..<fields.count {
      let field = fields[index]
      if field.isDropped || isOverruled(field, view, client) {
        editor.delete(field.line)
        continue
      }
      guard field.id == .setCookie, let cookie = app.pointee.cookie else { continue }
      let value = view[field.value]
      guard let set = SetCookieView(value), value[set.name].rawBuffer.elementsEqual(cookie.name.rawBuffer) else {
        continue
      }
      switch cookie.mode {
      case .passive:
        let text = untagged(value[set.value], cookie, Int(pointer.pointee.application))
        let named = pools[Int(pointer.pointee.application)].group(named: text[DatedValue(text).server].rawBuffer)
        if pools[Int(pointer.pointee.application)].tellsOfAnotherSite(
          named, binding: pointer.pointee.exchange.binding, reason: pointer.pointee.exchange.reason, server: server)
        {
          moved = true
        }
      case .insert:
        if cookie.preserve {
          stays = true
          let application = Int(pointer.pointee.application)
          if !set.value.isEmpty,
            let tag = cookieSigner.tag(of: value[set.value], session: ByteView(""), cookie, application: application)
          {
            let end = field.value.start + set.value.end
            editor.replace(ByteRange(end, end), with: tag, nil)
          }
        } else if cookie.indirect {
          editor.delete(field.line)
        }
      case .prefix:
        stays = true
        learn(value, set, learnedPlace(client))
        if let name = app.pointee.servers[Int(server)].cookieValue, !set.value.isEmpty {
          let position = field.value.start + set.value.start
          let place = ByteRange(position, position)
          let tag = cookieSigner.tag(
            of: name, session: value[set.value], cookie, application: Int(pointer.pointee.application))
          if let tag {
            editor.replace(place, with: name, tag)
            editor.replace(place, with: ByteView("~"), nil)
          } else {
            editor.replace(place, with: name, ByteView("~"))
          }
        }
      }
    }
    if roleIsOffice {
      pointer.pointee.exchange.learned(moved: moved, pool: &pools[Int(pointer.pointee.application)], now: now)
    }
    return stays
  }

  /// Tells the client where it belongs from now on, if that is news.
  private mutating func appendCookie(
    _ client: Int32, _ head: ResponseHead, _ app: UnsafeMutablePointer<CompiledApplication>, serverSet: Bool,
    into writer: inout ByteWriter
  ) {
    guard let cookie = app.pointee.cookie, !serverSet else { return }
    let pointer = clients + Int(client)
    let server = pointer.pointee.exchange.server
    switch cookie.mode {
    case .passive: return
    case .insert:
      // A node's own error page comes from no server: it says nothing about where the user belongs.
      if head.lastProxyStatus != nil && pools[Int(pointer.pointee.application)].isNode(server) { return }
      let isNews = pools[Int(pointer.pointee.application)].insertIsNews(
        pointer.pointee.exchange.binding, server: server)
      guard isNews || needsRefresh(client, cookie) || pointer.pointee.flags.contains(.staleTag) else { return }
      guard let value = app.pointee.servers[Int(server)].cookieValue else {
        // The server has no value of its own: an old one must not lead elsewhere.
        guard pointer.pointee.cookiePresent else { return }
        writer.append("Set-Cookie: ")
        writer.append(cookie.name)
        writer.append("=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/\r\n")
        return
      }
      writer.append("Set-Cookie: ")
      writer.append(cookie.name)
      writer.append(byte: 0x3D)
      let start = writer.position
      writer.append(value)
      if cookie.hasDates { appendDates(client, isNews: isNews, cookie, into: &writer) }
      cookieSigner.append(
        tagOf: writer.written.slice(start, writer.position), session: ByteView(""), cookie,
        application: Int(pointer.pointee.application), to: &writer)
      writer.append(pointer.pointee.flags.contains(.https) ? cookie.secureAttributes : cookie.attributes)
      writer.append("\r\n")
    case .prefix:
      let isNews = pools[Int(pointer.pointee.application)].prefixIsNews(
        pointer.pointee.exchange.binding, server: server, hasSession: pointer.pointee.sessionLength > 0)
      let isStale = pointer.pointee.flags.contains(.staleTag) && pointer.pointee.sessionLength > 0
      guard isNews || isStale, let value = app.pointee.servers[Int(server)].cookieValue else { return }
      guard let attributes = sessionAttributes(client, cookie) else {
        // A good value that could only be better is left to the application's next cookie.
        guard isNews else { return }
        shared.counters.cookieNotWritten.wrappingAdd(1, ordering: .relaxed)
        return
      }
      writer.append("Set-Cookie: ")
      writer.append(cookie.name)
      writer.append(byte: 0x3D)
      let session = ByteView(
        UnsafeRawBufferPointer(start: pointer.pointee.request.reserved, count: Int(pointer.pointee.sessionLength)))
      writer.append(value)
      cookieSigner.append(
        tagOf: value, session: session, cookie, application: Int(pointer.pointee.application), to: &writer)
      writer.append(byte: 0x7E)
      writer.append(session)
      writer.append(attributes)
      writer.append("\r\n")
    }
    pointer.pointee.flags.insert(.cookieSet)
    if cookie.noCache || cookie.mode == .prefix { writer.append("Cache-Control: private\r\n") }
  }

  private mutating func needsRefresh(_ client: Int32, _ cookie: CompiledCookie) -> Bool {
    guard cookie.maxIdle > 0 else { return false }
    // Dates have a grain of four seconds: within it there is nothing new to tell.
    let seconds = UInt32(truncatingIfNeeded: (now + realtimeOffset) / 1_000_000_000)
    return clients[Int(client)].cookieLast / 4 != (seconds + 3) / 4
  }

  /// `|last|first` as far as limits are set; the first date of a cookie that goes on is kept.
  private mutating func appendDates(
    _ client: Int32, isNews: Bool, _ cookie: CompiledCookie, into writer: inout ByteWriter
  ) {
    let seconds = UInt32(truncatingIfNeeded: (now + realtimeOffset) / 1_000_000_000)
    writer.append(byte: 0x7C)
    writer.append(cookieDate: seconds)
    guard cookie.maxLife > 0 else { return }
    writer.append(byte: 0x7C)
    let first = clients[Int(client)].cookieFirst
    writer.append(cookieDate: isNews || first == 0 ? seconds : first)
  }

  // MARK: Attributes of the application's session cookie

  private mutating func sessionAttributes(_ client: Int32, _ cookie: CompiledCookie) -> ByteView? {
    if cookie.hasPath {
      return clients[Int(client)].flags.contains(.https) ? cookie.secureAttributes : cookie.attributes
    }
    let place = learnedPlace(client)
    let generation = learnedCopies[place].source._withUnsafeGuaranteedRef { $0.generation }
    if generation != learnedCopies[place].generation {
      learnedCopies[place].generation = generation
      learnedCopies[place].view = shared.learned[place].get().map { bytes in
        immortal(String(decoding: bytes, as: UTF8.self))
      }
    }
    return learnedCopies[place].view
  }

  /// Where the attributes for this user stand.
  @inline(__always)
  private mutating func learnedPlace(_ client: Int32) -> Int {
    let pointer = clients + Int(client)
    return LearnedAttributes.place(
      Int(pointer.pointee.application), isSecure: pointer.pointee.flags.contains(.https))
  }

  /// Remembers how the application sets its cookie, when that is news; its lifetime is left out.
  private mutating func learn(_ value: ByteView, _ set: SetCookieView, _ place: Int) {
    let hash = StableHash.hash(value[set.attributes].rawBuffer)
    guard hash != learnedCopies[place].hash, !set.value.isEmpty, set.maxAge == nil, set.expires == nil else {
      return
    }
    learnedCopies[place].hash = hash
    guard learnedCopies[place].source._withUnsafeGuaranteedRef({ $0.isOpen }) else { return }
    let bytes = Array(value[set.attributes].rawBuffer)
    if shared.learned[place].get() != bytes { shared.learned[place].set(bytes) }
  }
}

/// A worker's copy of what was learned of the session cookie's attributes.
struct LearnedCopy {
  /// Kept by what all workers share.
  let source: Unmanaged<LearnedAttributes>
  var generation = 0
  var view: ByteView?
  var hash: UInt64 = 0
}
