import NIOCore
import NIOHTTP1

/// Answers the requests of one connection, one after the other.
final class RequestHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  /// What the listening address is for.
  enum Purpose: Sendable {
    case service(DemoService)
    /// Answers checks only; begins no sessions.
    case admission
  }

  /// Larger request bodies are answered with 413.
  static let bodyBytesMax = 64 << 20

  private let state: ServerState
  private let purpose: Purpose
  private var request: HTTPRequestHead?
  private var bodyBytes = 0
  private var digest = BodyDigest()
  /// The answer that waits for its `delay`.
  private var delayed: Scheduled<Void>?
  private var inputClosed = false

  init(state: ServerState, purpose: Purpose) {
    self.state = state
    self.purpose = purpose
  }

  func channelActive(context: ChannelHandlerContext) {
    state.opened(context.channel)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    delayed?.cancel()
    finish()
    state.closed(context.channel)
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      request = head
      bodyBytes = 0
      digest = BodyDigest()
      state.requestBegan()
      // RFC 9110 section 10.1.1: the client may wait for this before it sends the body.
      if head.version == .http1_1, head.headers.first(name: "Expect")?.lowercased() == "100-continue" {
        let interim = HTTPResponseHead(version: .http1_1, status: .continue)
        context.writeAndFlush(wrapOutboundOut(.head(interim)), promise: nil)
      }
    case .body(let buffer):
      bodyBytes += buffer.readableBytes
      if bodyBytes <= Self.bodyBytesMax { buffer.withUnsafeReadableBytes { digest.update($0) } }
    case .end:
      guard let request else { return }
      answer(request, context: context)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if let event = event as? ChannelEvent, event == .inputClosed {
      // A client may half-close behind its last request and still read the answer.
      inputClosed = true
      if request == nil { context.close(promise: nil) }
    } else if event is IdleStateHandler.IdleStateEvent, request == nil {
      context.close(promise: nil)
    } else {
      context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  private func finish() {
    if request != nil {
      request = nil
      state.requestEnded()
    }
  }

  private func answer(_ request: HTTPRequestHead, context: ChannelHandlerContext) {
    if bodyBytes > Self.bodyBytesMax {
      let text = "The body is larger than \(Self.bodyBytesMax) bytes.\n"
      return write(Response(status: 413, type: "text/plain", body: text), to: request, context: context)
    }
    let path = request.uri.prefix(while: { $0 != "?" })
    if let response = checkFile(path, request) { return write(response, to: request, context: context) }
    guard case .service(let service) = purpose, path != "/healthy" else {
      let text = path == "/healthy" ? "healthy\n" : "admitting\n"
      return write(Response(status: 200, type: "text/plain", body: text), to: request, context: context)
    }
    let parameters: TrialParameters
    do {
      parameters = try TrialParameters(target: request.uri)
    } catch {
      let text = error.description + "\n"
      return write(Response(status: 400, type: "text/plain", body: text), to: request, context: context)
    }
    if parameters.delay == .zero {
      write(response(to: request, of: service, parameters: parameters), to: request, context: context)
    } else {
      let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
      delayed = context.eventLoop.scheduleTask(in: TimeAmount(parameters.delay)) {
        let (handler, context) = bound.value
        handler.delayed = nil
        let response = handler.response(to: request, of: service, parameters: parameters)
        handler.write(response, to: request, context: context)
      }
    }
  }

  /// The answer to who asks for a path of health checks; nil: it is none of them, or the file is there.
  private func checkFile(_ path: Substring, _ request: HTTPRequestHead) -> Response? {
    let file = String(path)
    guard case .service(let service) = purpose, service.checkPaths.contains(file) else { return nil }
    let outcome = state.takeCheck(
      method: request.method.rawValue, path: file, isDirect: !request.headers.contains(name: "Via"))
    switch outcome {
    case .none: return nil
    case .missing: return Response(status: 404, type: "text/plain", body: "There is no \(file).\n")
    case .removed, .kept: return Response(status: 204, type: "text/plain", body: "")
    case .refused:
      let why = "\(request.method.rawValue) \(file): users ask for this page, too."
      let mend = "Have checks ask for a file of its own, as path: /running."
      var response = Response(status: 405, type: "text/plain", body: "\(why) \(mend)\n")
      response.allow = "GET, HEAD, POST"
      return response
    case .made: return Response(status: 201, type: "text/plain", body: "\(file) is there again.\n")
    }
  }

  private func response(
    to request: HTTPRequestHead, of service: DemoService, parameters: TrialParameters
  ) -> Response {
    let options = state.options
    let cookies = RequestCookies.values(of: service.cookieName, in: request.headers["Cookie"])
    let visit = state.visit(cookies: cookies.compactMap { SessionID($0) })
    let forwarded = request.headers["X-Forwarded-For"]
    let answer = Answer(
      server: options.name, site: options.site, application: service.application, session: visit.id.text,
      isNew: visit.isNew, visits: visit.count,
      path: Answer.nodes(via: request.headers["Via"]) + [options.name],
      forwardedFor: forwarded.isEmpty ? nil : forwarded.joined(separator: ", "), method: request.method.rawValue,
      target: request.uri, bodyBytes: bodyBytes, bodyDigest: digest.text,
      requestID: request.headers.first(name: "X-Request-ID"), headers: request.headers.map { ($0.name, $0.value) })
    var response: Response
    switch parameters.format ?? Self.format(accept: request.headers["Accept"]) {
    case .html: response = Response(status: parameters.status, type: "text/html; charset=utf-8", body: answer.html)
    case .json: response = Response(status: parameters.status, type: "application/json", body: answer.json)
    case .text: response = Response(status: parameters.status, type: "text/plain; charset=utf-8", body: answer.text)
    }
    if visit.isNew { response.cookie = "\(service.cookieName)=\(visit.id.text); Path=/; HttpOnly" }
    response.bytesMin = parameters.bytes
    response.isChunked = parameters.chunked
    response.closes = parameters.close
    return response
  }

  private static func format(accept fields: [String]) -> TrialParameters.Format {
    if fields.contains(where: { $0.contains("application/json") }) { return .json }
    if fields.contains(where: { $0.contains("text/html") }) { return .html }
    return .text
  }

  private func write(_ response: Response, to request: HTTPRequestHead, context: ChannelHandlerContext) {
    let keepsAlive = request.isKeepAlive && !response.closes && !state.isClosing && !inputClosed
    context.write(
      wrapOutboundOut(.head(response.head(to: request, keepsAlive: keepsAlive, date: state.httpDate()))), promise: nil)
    if request.method != .HEAD && response.mayHaveBody {
      for part in response.parts { context.write(wrapOutboundOut(.body(.byteBuffer(part))), promise: nil) }
    }
    finish()
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
    if !keepsAlive { written.whenComplete { _ in bound.value.close(promise: nil) } }
  }
}
