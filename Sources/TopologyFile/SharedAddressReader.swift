internal import Topology

/// Reads shared addresses and who holds them.
struct SharedAddressReader {
  let findings: Findings

  /// `{name: entry, address: 10.1.1.100/24, router-id: 51}`
  func address(_ tree: Tree) -> SharedAddress? {
    let keys = ["name", "address", "router-id", "interval", "preempt", "preempt-delay"]
    guard let object = Object(tree, "shared address", keys: keys, findings: findings) else { return nil }
    let name = object.requiredName(example: "entry")
    let mend = "write {name: entry, address: 10.1.1.100/24, router-id: 51}"
    for key in ["address", "router-id"] where object[key] == nil {
      findings.error("shared address \"\(name.value)\" has no \(key)", mend: mend, at: object.location)
    }
    let routerID = object.located("router-id") { text throws(TextError) in try parseInteger(text, 1...255) }
    guard let address = object.located("address", parseAddressOfNetwork), let routerID else { return nil }
    var shared = SharedAddress(
      name: name.value, address: Located(address.value.address, at: address.location),
      prefixLength: address.value.prefixLength, routerID: routerID, location: name.location)
    shared.interval = object.value("interval", parseAnnouncementInterval) ?? shared.interval
    shared.preempts = object.bool("preempt") ?? shared.preempts
    shared.preemptDelay = object.duration("preempt-delay") ?? shared.preemptDelay
    return shared
  }

  /// The `vrrp` of a node: one mapping, or a list of them.
  func holders(_ object: Object) -> [AddressHolder] {
    (object.list("vrrp", orSingle: true) ?? []).compactMap(holder)
  }

  private func holder(_ tree: Tree) -> AddressHolder? {
    let keys = ["address", "interface", "source", "priority", "preempt", "peers"]
    let mend = "write {address: entry}, the name of one of \"addresses:\""
    guard let object = Object(tree, "vrrp", keys: keys, shortForm: mend, findings: findings) else { return nil }
    guard object["address"] != nil else {
      findings.error("vrrp names no address", mend: mend, at: object.location)
      return nil
    }
    guard let address = object.located("address", parseName) else { return nil }
    var holder = AddressHolder(address: address, location: object.location)
    holder.interface = object.value("interface", parseInterface) ?? holder.interface
    holder.source = object.located("source") { text throws(TextError) in try parseIP(text) }
    holder.priority = object.located("priority") { text throws(TextError) in
      let value = try parseInteger(text, 1...255)
      guard value < 255 else {
        throw TextError("255 is for a node that owns the address and never gives it away", mend: "1 to 254")
      }
      return value
    }
    holder.preempts = object.located("preempt", parseBool)
    holder.peers = object.names("peers")
    return holder
  }
}

/// Reads `admin`.
struct AdminReader {
  let findings: Findings

  /// `{socket: "/run/geodirector/{node}.sock", mode: "0660"}`, or `true` for the defaults.
  func admin(_ tree: Tree) -> AdminSettings? {
    let path = "\(RuntimeFolder.path)/\(AdminSettings.folder)"
    if let text = tree.scalarText, let isOn = try? parseBool(text) {
      return isOn ? AdminSettings(socket: Located(path, at: tree.location)) : nil
    }
    let mend = "write {socket: \"\(AdminSettings.defaultSocket)\"}, or true for that path"
    guard let object = Object(tree, "admin", keys: ["socket", "mode"], shortForm: mend, findings: findings) else {
      return nil
    }
    var admin = AdminSettings(socket: Located(path, at: tree.location))
    if let socket = object.located("socket", parseSocketPath) { admin.socket = socket }
    admin.mode = object.value("mode", parseMode) ?? admin.mode
    return admin
  }
}

/// An address and the length of its network's prefix.
struct AddressOfNetwork: Sendable, Equatable {
  var address: Address
  var prefixLength: Int
}

func parseIP(_ text: String) throws(TextError) -> Address {
  let address = try Address(parsingHost: text, port: 0)
  switch address {
  case .ipv4, .ipv6:
    guard !address.isWildcard else { throw TextError("\"\(text)\" is every address", mend: "name one") }
    return address
  case .unix, .host: throw TextError("\"\(text)\" is no IP address")
  }
}

private func parseAddressOfNetwork(_ text: String) throws(TextError) -> AddressOfNetwork {
  let parts = text.split(separator: "/", omittingEmptySubsequences: false)
  let address = try parseIP(String(parts[0]))
  var bits = 32
  if case .ipv6 = address { bits = 128 }
  guard parts.count > 1 else { return AddressOfNetwork(address: address, prefixLength: bits) }
  guard parts.count == 2 else { throw TextError("\"\(text)\" is no address with its network", mend: "10.1.1.100/24") }
  return AddressOfNetwork(address: address, prefixLength: try parseInteger(String(parts[1]), 1...bits))
}

/// VRRP counts in hundredths of a second, in 12 bits (RFC 5798 section 5.2.7).
private func parseAnnouncementInterval(_ text: String) throws(TextError) -> Duration {
  let interval = try parsePositiveDuration(text)
  guard interval >= .milliseconds(10), interval <= .milliseconds(40_950) else {
    throw TextError("\(text) is out of range", mend: "10ms to 40.95s")
  }
  return interval
}

/// Names of interfaces have up to 15 bytes (IFNAMSIZ).
private func parseInterface(_ text: String) throws(TextError) -> String {
  let isName = text.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "_-.:@".utf8.contains(byte)
    }
  }
  guard isName, (1...15).contains(text.utf8.count) else {
    throw TextError("\"\(text)\" is no network interface", mend: "1 to 15 letters, digits or _ - .")
  }
  return text
}

private func parseSocketPath(_ text: String) throws(TextError) -> String {
  // The path becomes part of other programs' files, where a line end would begin a line of its own.
  guard !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
    throw TextError("the path of a socket has a control character", mend: "leave it out")
  }
  guard text.hasPrefix("/"), !text.hasSuffix("/") else {
    throw TextError("\"\(text)\" is no path of a socket", mend: "begin with \"/\"")
  }
  let steps = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
  guard steps.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else {
    throw TextError("\"\(text)\" is a roundabout path", mend: "leave out \".\", \"..\" and empty steps")
  }
  // The unit of a node makes the socket's folder writable.
  guard steps.count > 1 else {
    throw TextError("\"\(text)\" is in the root folder", mend: "put it into a folder of its own")
  }
  return text
}

private func parseMode(_ text: String) throws(TextError) -> UInt16 {
  guard let mode = UInt16(text, radix: 8), mode <= 0o777 else {
    throw TextError("\"\(text)\" are no permissions", mend: "three octal digits: \"0660\"")
  }
  return mode
}
