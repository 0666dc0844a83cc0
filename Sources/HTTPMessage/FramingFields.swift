/// What Content-Length and Transfer-Encoding of one message say, collected field by field (RFC 9112 6).
struct FramingFields {
  /// The value of Content-Length; nil when there is none.
  var contentLength: UInt64?
  /// Whether there is a Transfer-Encoding field.
  var hasTransferEncoding = false
  private var isChunked = false
  private var hasUnknownCoding = false

  /// Takes a Content-Length: digits and nothing else, and one field only. RFC 9112 6.3 lets a recipient accept a
  /// repeated equal value; we do not, since whoever repeats it may have meant two readers.
  mutating func addContentLength(_ value: ByteView) -> HTTPError? {
    if contentLength != nil { return .repeatedContentLength }
    // 19 digits hold every body of this world, with any leading zeros a sender wrote.
    if value.count == 0 || value.count > 19 { return .invalidContentLength }
    var length: UInt64 = 0
    var index = 0
    while index < value.count {
      let digit = value[index] &- ASCII.zero
      if digit > 9 { return .invalidContentLength }
      length = length &* 10 &+ UInt64(digit)
      index &+= 1
    }
    if length > UInt64(Int64.max) { return .invalidContentLength }
    contentLength = length
    return nil
  }

  /// Takes a Transfer-Encoding field: a list of tokens without empty members.
  mutating func addTransferEncoding(_ value: ByteView) -> HTTPError? {
    hasTransferEncoding = true
    var start = 0
    while true {
      var end = start
      while end < value.count && value[end] != ASCII.comma { end &+= 1 }
      let member = value[value.trimmed(start, end)]
      if let error = addCoding(member) { return error }
      if end == value.count { return nil }
      start = end &+ 1
    }
  }

  private mutating func addCoding(_ coding: ByteView) -> HTTPError? {
    if coding.count == 0 { return .invalidTransferEncoding }
    let tokenEnd = ByteScanning(coding, end: coding.count).tokenEnd(from: 0)
    if tokenEnd == 0 { return .invalidTransferEncoding }
    let isKnown = coding.slice(0, tokenEnd).equalsIgnoringCase(ByteView("chunked"))
    // Other codings may have parameters (RFC 9112 7), which changes nothing: they are refused as unknown. `chunked`
    // has none.
    if tokenEnd < coding.count {
      let next = coding[coding.trimmed(tokenEnd, coding.count)]
      if isKnown || next[0] != ASCII.semicolon { return .invalidTransferEncoding }
    }
    if isChunked { return isKnown ? .repeatedChunked : .chunkedNotLast }
    if isKnown { isChunked = true } else { hasUnknownCoding = true }
    return nil
  }

  /// The contradictions that only the whole head shows; nil when there is none.
  func conflict(minorVersion: UInt8) -> HTTPError? {
    if !hasTransferEncoding { return nil }
    if minorVersion == 0 { return .transferEncodingInHTTP10 }
    if contentLength != nil { return .contentLengthWithTransferEncoding }
    if hasUnknownCoding || !isChunked { return .unknownTransferCoding }
    return nil
  }
}
