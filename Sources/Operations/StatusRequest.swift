internal import HTTPMessage

/// What is answered to a request for the status page.
public struct StatusRequest: Sendable, Equatable {
  /// What came of reading a request.
  public enum Outcome: Sendable, Equatable {
    /// The head is not whole yet.
    case needsMore
    /// An answer that shows nothing of the node.
    case answer(String)
    /// The page, for one who may see it. `asJSON`: for programs; `isHead`: without its body.
    case page(asJSON: Bool, isHead: Bool)
  }

  /// Bytes of a request's head at most.
  public static let headBytesMax = 8_192

  /// Reads a request. Who may not see the page learns nothing but that, whatever is asked for.
  public static func read(_ bytes: [UInt8], path: String, authentication: BasicAuthentication) -> Outcome {
    bytes.withUnsafeBytes { buffer in
      let view = ByteView(buffer)
      var fields = FieldTable(capacity: 100)
      var head = RequestHead()
      switch parseRequestHead(view, limits: HeadLimits(headBytesMax: headBytesMax), head: &head, into: &fields) {
      case .needMore: return .needsMore
      case .invalid(let error): return .answer(refusal(error))
      case .complete: break
      }
      var given: [[UInt8]] = []
      for index in 0..<fields.count {
        let name = view[fields[index].name].rawBuffer
        if String(decoding: name, as: UTF8.self).lowercased() == "authorization" {
          given.append(Array(view[fields[index].value].rawBuffer))
        }
      }
      let isHead = head.method == .head
      guard given.count == 1, authentication.accepts(given[0]) else {
        return .answer(
          text(
            status: "401 Unauthorized", fields: ["WWW-Authenticate: \(BasicAuthentication.challenge)"],
            body: "User and password are asked for.\n", isHead: isHead))
      }
      guard head.method == .get || isHead else {
        return .answer(text(status: "405 Method Not Allowed", fields: ["Allow: GET, HEAD"], body: "GET it.\n"))
      }
      let asked = String(decoding: view[head.path].rawBuffer, as: UTF8.self)
      let parts = asked.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.first.map(String.init) == path else {
        return .answer(text(status: "404 Not Found", body: "The page is at \(path).\n", isHead: isHead))
      }
      return .page(
        asJSON: parts.count > 1 && parts[1].split(separator: "&").contains("format=json"), isHead: isHead)
    }
  }

  /// To who has begun a request and not ended it in time (RFC 9110 section 15.5.9).
  static let late = text(status: "408 Request Timeout", body: "The request did not end in time.\n")

  /// To what is no request, or one that is too long (RFC 6585 section 5).
  private static func refusal(_ error: HTTPError) -> String {
    switch error.status {
    case 414: text(status: "414 URI Too Long", body: "The request's target is too long.\n")
    case 431:
      text(
        status: "431 Request Header Fields Too Large",
        body: "The request's head is longer than \(headBytesMax) bytes.\n")
    case 501: text(status: "501 Not Implemented", body: "The request is not understood.\n")
    case 505: text(status: "505 HTTP Version Not Supported", body: "HTTP/1.1 is spoken here.\n")
    default: text(status: "400 Bad Request", body: "The request is not understood.\n")
    }
  }

  /// An answer as it is sent; the connection ends with it.
  public static func text(
    status: String, type: String = "text/plain", fields: [String] = [], body: String, isHead: Bool = false
  ) -> String {
    let all =
      [
        "HTTP/1.1 \(status)", "Content-Type: \(type); charset=utf-8", "Content-Length: \(body.utf8.count)",
        "Cache-Control: no-store", "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer",
        // The page needs nothing from anywhere, runs nothing, and stands in no other page.
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      ] + fields + ["Connection: close"]
    return all.joined(separator: "\r\n") + "\r\n\r\n" + (isHead ? "" : body)
  }
}
