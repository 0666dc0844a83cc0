internal import HTTPMessage
internal import Routing
internal import Synchronization
internal import Topology

/// Where a director sends the public of other sites' neighbourhoods; the same for all applications but for the sites that serve them.
struct CompiledRedirects {
  /// By tier: where its site is reached, scheme and authority. Nil: nobody is sent there.
  var urls: [ByteView?]
  /// By tier: the site's name.
  var sites: [ByteView]
  /// The tier of the director's own site; -1: it does not serve the application.
  var home: Int

  /// The nodes that may stand in front: their users stay with them.
  var inFront: [ByteView]

  /// Nil: this node sends nobody anywhere.
  init?(_ plan: NodePlan, application: Int) {
    guard let redirects = plan.redirects(application: application) else { return nil }
    home = redirects.home ?? -1
    sites = redirects.sites.map(immortal)
    urls = redirects.urls.map { $0.map(immortal) }
    inFront = plan.downstreamNodes.map(immortal)
  }
}

/// Users of the public sent to a site nearer to them, once: before a session begins.
extension Worker {
  /// Put behind the query of a target that a user was sent on with, so that the next director does not send the user on again.
  static let redirectMark: StaticString = "geodirector-redirected=1"

  /// Whether requests of the connection may be redirected.
  @inline(__always)
  private mutating func redirects(_ client: Int32, _ app: UnsafeMutablePointer<CompiledApplication>) -> Bool {
    redirectsPublic && app.pointee.redirects != nil
      && shared.plan.listeners[Int(clients[Int(client)].listener)].isPublic
  }

  /// The path without the mark, which is no part of what the user asked for.
  mutating func unmarked(_ path: ByteView, _ client: Int32, _ app: UnsafeMutablePointer<CompiledApplication>)
    -> ByteView
  {
    redirects(client, app) ? QueryMark.removed(Self.redirectMark, from: path) : path
  }

  /// The tier of the site that a request is to be sent to; nil: it is served. Only what begins a session is sent on, and only
  /// to where somebody admits it; whoever cannot follow is served.
  mutating func redirectTier(
    _ client: Int32, _ view: ByteView, _ head: RequestHead, _ binding: Binding, order: Int32,
    _ app: UnsafeMutablePointer<CompiledApplication>
  ) -> Int? {
    guard order > 0, redirects(client, app), binding.presence == .none, head.method == .get || head.method == .head,
      head.minorVersion == 1, !head.upgrade, case .none = head.framing,
      unmarked(view[head.path], client, app).count == head.path.count, !isFromNode(view, head, app)
    else { return nil }
    return pools[app - applications].firstAdmitting(of: order, before: app.pointee.redirects!.home) { tier in
      app.pointee.redirects!.urls[tier] != nil
    }
  }

  /// Whether a node of the network sent the request: an office's users stay in their office (rule H). By the last of Via: nodes
  /// need not come from where they listen, and whoever claims to be one is only served.
  private func isFromNode(_ view: ByteView, _ head: RequestHead, _ app: UnsafeMutablePointer<CompiledApplication>)
    -> Bool
  {
    guard var last = head.firstVia else { return false }
    while let next = fields.firstIndex(of: .via, from: last + 1) { last = next }
    let sender = Via.last(view[fields[last].value])
    for node in app.pointee.redirects!.inFront where sender.equalsIgnoringCase(node) { return true }
    return false
  }

  /// Sends the user to another site's own address (RFC 9110 section 15.4.8). No cache may keep what was meant for one client.
  mutating func answerRedirect(
    _ client: Int32, _ view: ByteView, _ head: RequestHead, to tier: Int,
    _ app: UnsafeMutablePointer<CompiledApplication>
  ) {
    let pointer = clients + Int(client)
    shared.counters.redirects.wrappingAdd(1, ordering: .relaxed)
    pointer.pointee.redirectedTier = Int32(tier)
    pointer.pointee.termination = Self.code("LR")
    let path = view[head.path]
    var hasQuery = false
    for position in 0..<path.count where path[position] == 0x3F {
      hasQuery = true
      break
    }
    var writer = ByteWriter(UnsafeMutableRawBufferPointer(start: scratch, count: Self.scratchBytes))
    writer.append("HTTP/1.1 307 Temporary Redirect\r\nLocation: ")
    writer.append(app.pointee.redirects!.urls[tier]!)
    if path.count == 0 || path[0] != 0x2F { writer.append(byte: 0x2F) }
    writer.append(path)
    writer.append(byte: hasQuery ? 0x26 : 0x3F)
    writer.append(Self.redirectMark)
    writer.append("\r\nContent-Length: 0\r\nCache-Control: private, no-store\r\nVary: Cookie\r\n")
    appendDate(into: &writer)
    appendStrictTransport(client, into: &writer)
    appendPersistence(client, into: &writer)
    writer.append("\r\n")
    pointer.pointee.status = 307
    sendAnswer(client, writer.position)
  }
}
