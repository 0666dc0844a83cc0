/// Checks of `host[:port]` (RFC 3986 3.2, RFC 9110 7.2).
enum Authority {
  /// Whether `value` is a host, not empty, and perhaps a port of 0 to 65535.
  static func isValid(_ value: ByteView) -> Bool {
    let count = value.count
    if count == 0 { return false }
    var index = 0
    if value[0] == ASCII.openBracket {
      guard let close = value.firstIndex(of: ASCII.closeBracket), isValidIPv6(value.slice(1, close)) else {
        return false
      }
      index = close &+ 1
    } else {
      let base = value.base
      index = ByteScanning(value, end: count).hostNameEnd(from: 0)
      while index < count {
        let byte = base[index]
        if !ASCII.isRegisteredName(byte) {
          if byte == ASCII.colon { break }
          if byte != ASCII.percent || index &+ 2 >= count || ASCII.hexValue(base[index &+ 1]) > 15
            || ASCII.hexValue(base[index &+ 2]) > 15
          {
            return false
          }
          index &+= 2
        }
        index &+= 1
      }
      if index == 0 { return false }
    }
    if index == count { return true }
    if value[index] != ASCII.colon || count &- index > 6 { return false }
    var port = 0
    index &+= 1
    while index < count {
      let digit = value.base[index] &- ASCII.zero
      if digit > 9 { return false }
      port = port &* 10 &+ Int(digit)
      index &+= 1
    }
    return port <= 65_535
  }

  /// Whether `value` is an IPv6 address in text (RFC 4291 2.2), without brackets or zone.
  static func isValidIPv6(_ value: ByteView) -> Bool {
    var groups = 0
    var hasGap = false
    var index = 0
    if value.count < 2 { return false }
    if value[0] == ASCII.colon {
      if value[1] != ASCII.colon { return false }
      hasGap = true
      index = 2
    }
    while index < value.count {
      let start = index
      while index < value.count && ASCII.hexValue(value[index]) < 16 { index &+= 1 }
      if index < value.count && value[index] == ASCII.dot {
        groups &+= 2
        return isValidIPv4(value.slice(start, value.count)) && (hasGap ? groups <= 7 : groups == 8)
      }
      if index == start || index &- start > 4 { return false }
      groups &+= 1
      if index == value.count { break }
      if value[index] != ASCII.colon { return false }
      index &+= 1
      if index == value.count { return false }
      if value[index] == ASCII.colon {
        if hasGap { return false }
        hasGap = true
        index &+= 1
      }
    }
    return hasGap ? groups <= 7 : groups == 8
  }

  private static func isValidIPv4(_ value: ByteView) -> Bool {
    var octets = 0
    var index = 0
    while true {
      var octet = 0
      let start = index
      while index < value.count && index &- start < 3 && ASCII.isDigit(value[index]) {
        octet = octet &* 10 &+ Int(value[index] &- ASCII.zero)
        index &+= 1
      }
      if index == start || octet > 255 { return false }
      octets &+= 1
      if index == value.count { return octets == 4 }
      if value[index] != ASCII.dot || octets == 4 { return false }
      index &+= 1
    }
  }
}
