import NIOCore
import NIOHTTP1

/// An answer with its framing.
struct Response {
  var status: Int
  var type: String
  var body: String
  /// The value of Set-Cookie.
  var cookie: String?
  /// The value of Allow, where the method is none of it (RFC 9110 section 15.5.6).
  var allow: String?
  /// The body is padded with white space and dots to this many bytes.
  var bytesMin = 0
  /// The length is not told in advance.
  var isChunked = false
  /// The connection ends with this answer, whatever the client would like.
  var closes = false

  init(status: Int, type: String, body: String) {
    self.status = status
    self.type = type
    self.body = body
  }

  /// RFC 9110 sections 15.3.5 and 15.4.5: these never have one.
  var mayHaveBody: Bool { status != 204 && status != 304 }

  private static let paddingBytes = 64 << 10

  /// Lines of spaces: legal behind a JSON value and behind a document. Shared by all answers, so that a large one costs
  /// little memory.
  private static let padding: ByteBuffer = {
    let line = String(repeating: " ", count: 127) + "\n"
    return ByteBuffer(string: String(repeating: line, count: paddingBytes / 128))
  }()

  /// The body in the parts it is written in; with chunked framing each part becomes a chunk.
  var parts: [ByteBuffer] {
    var parts = [ByteBuffer(string: body)]
    var missing = bytesMin - body.utf8.count
    while missing > 0 {
      let count = min(missing, Self.paddingBytes)
      parts.append(Self.padding.getSlice(at: 0, length: count)!)
      missing -= count
    }
    return parts
  }

  /// The head that goes with it.
  func head(to request: HTTPRequestHead, keepsAlive: Bool, date: String) -> HTTPResponseHead {
    let version = request.version == .http1_1 ? HTTPVersion.http1_1 : .http1_0
    var headers = HTTPHeaders()
    headers.add(name: "Date", value: date)
    headers.add(name: "Server", value: "geodirector-demo")
    if let allow { headers.add(name: "Allow", value: allow) }
    if mayHaveBody {
      headers.add(name: "Content-Type", value: type)
      // The answer to HEAD has no chunks, not even the last.
      if !isChunked || request.method == .HEAD {
        headers.add(name: "Content-Length", value: String(max(body.utf8.count, bytesMin)))
      } else if version == .http1_1 {
        headers.add(name: "Transfer-Encoding", value: "chunked")
      }
    }
    if let cookie { headers.add(name: "Set-Cookie", value: cookie) }
    if !keepsAlive {
      headers.add(name: "Connection", value: "close")
    } else if version == .http1_0 {
      headers.add(name: "Connection", value: "keep-alive")
    }
    return HTTPResponseHead(version: version, status: HTTPResponseStatus(statusCode: status), headers: headers)
  }
}

/// The Cookie header (RFC 6265 section 4.2).
enum RequestCookies {
  /// Values of every cookie of the name, in the order they came.
  static func values(of name: String, in fields: [String]) -> [String] {
    var values: [String] = []
    for field in fields {
      for pair in field.split(separator: ";") {
        let pair = pair.drop(while: { $0 == " " || $0 == "\t" })
        guard let mark = pair.firstIndex(of: "="), pair[..<mark] == name else { continue }
        var value = pair[pair.index(after: mark)...]
        while value.last == " " || value.last == "\t" { value.removeLast() }
        values.append(String(value))
      }
    }
    return values
  }
}
