/// Why a message was refused.
///
/// Raw values are stable within a process only; logs print `text`.
@frozen
public enum HTTPError: UInt8, Error, Sendable, CaseIterable {
  // The message as a whole.
  case headTooLong
  case tooManyFields
  case bareLineFeed
  case bareCarriageReturn
  case controlCharacter
  case tooManyEmptyLines
  // The request line (RFC 9112 3).
  case malformedRequestLine
  case methodTooLong
  case targetTooLong
  case invalidTarget
  case userinfoInTarget
  case connectNotSupported
  case malformedVersion
  case unsupportedVersion
  // The status line (RFC 9112 4).
  case malformedStatusLine
  case statusOutOfRange
  // Field lines (RFC 9112 5).
  case foldedLine
  case missingColon
  case emptyFieldName
  case invalidFieldName
  case spaceBeforeColon
  // Framing (RFC 9112 6).
  case invalidContentLength
  case repeatedContentLength
  case contentLengthWithTransferEncoding
  case transferEncodingInHTTP10
  case invalidTransferEncoding
  case chunkedNotLast
  case repeatedChunked
  case unknownTransferCoding
  // Fields a proxy acts on.
  case missingHost
  case repeatedHost
  case invalidHost
  case invalidMaxForwards
  // Chunked bodies (RFC 9112 7.1).
  case invalidChunkSize
  case chunkSizeOverflow
  case chunkExtensionTooLong
  case invalidChunkExtension
  case invalidChunkEnd
  case trailersTooLong
  case forbiddenTrailer

  /// The status with which a request is refused: 400, 414, 431, 501 or 505. A response that is refused gives its
  /// client 502 whatever the reason.
  public var status: Int {
    switch self {
    case .targetTooLong: 414
    case .headTooLong, .tooManyFields, .trailersTooLong: 431
    case .connectNotSupported, .unknownTransferCoding, .methodTooLong: 501
    case .unsupportedVersion: 505
    default: 400
    }
  }

  /// A short text for logs, in the words of the RFCs.
  public var text: StaticString {
    switch self {
    case .headTooLong: "head too long"
    case .tooManyFields: "too many header fields"
    case .bareLineFeed: "line feed without carriage return"
    case .bareCarriageReturn: "carriage return without line feed"
    case .controlCharacter: "control character"
    case .tooManyEmptyLines: "too many empty lines before the request line"
    case .malformedRequestLine: "malformed request line"
    case .methodTooLong: "method too long"
    case .targetTooLong: "request target too long"
    case .invalidTarget: "invalid request target"
    case .userinfoInTarget: "userinfo in the request target"
    case .connectNotSupported: "CONNECT is not supported"
    case .malformedVersion: "malformed HTTP version"
    case .unsupportedVersion: "unsupported HTTP version"
    case .malformedStatusLine: "malformed status line"
    case .statusOutOfRange: "status code outside 100 to 599"
    case .foldedLine: "folded field line"
    case .missingColon: "field line without a colon"
    case .emptyFieldName: "empty field name"
    case .invalidFieldName: "invalid character in a field name"
    case .spaceBeforeColon: "space between field name and colon"
    case .invalidContentLength: "invalid Content-Length"
    case .repeatedContentLength: "repeated Content-Length"
    case .contentLengthWithTransferEncoding: "both Content-Length and Transfer-Encoding"
    case .transferEncodingInHTTP10: "Transfer-Encoding in an HTTP/1.0 message"
    case .invalidTransferEncoding: "malformed Transfer-Encoding"
    case .chunkedNotLast: "chunked is not the last transfer coding"
    case .repeatedChunked: "chunked applied twice"
    case .unknownTransferCoding: "unknown transfer coding"
    case .missingHost: "missing Host"
    case .repeatedHost: "repeated Host"
    case .invalidHost: "invalid Host"
    case .invalidMaxForwards: "invalid Max-Forwards"
    case .invalidChunkSize: "invalid chunk size"
    case .chunkSizeOverflow: "chunk size too large"
    case .chunkExtensionTooLong: "chunk extension too long"
    case .invalidChunkExtension: "malformed chunk extension"
    case .invalidChunkEnd: "chunk data not followed by CRLF"
    case .trailersTooLong: "trailer section too long"
    case .forbiddenTrailer:
      "field in the trailer section that only means something in a head (framing, routing, cookies, credentials)"
    }
  }
}
