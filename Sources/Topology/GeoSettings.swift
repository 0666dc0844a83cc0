/// The part `geo:` of a topology: where clients are, and which sites they get.
public struct GeoSettings: Sendable, Equatable {
  /// The MaxMind DB file as it was written; relative paths start at the topology's main file. Nil: none.
  public var database: Located<String>?
  /// Address ranges with an answer of their own; the longest prefix wins. In the order of the file.
  public var networks: [GeoNetwork]
  /// Parts of the world with an order of their own; the narrowest wins. In the order of the file.
  public var regions: [GeoRegion]
  /// A site must be nearer by more than this, in kilometres, to come before one that is configured ahead of it.
  public var minimumGainKilometres: Double
  /// Directors send the public to a nearer site's own address. Nil: the file says nothing, they do not.
  public var redirect: Located<Bool>?
  /// Where it is declared.
  public var location: SourceLocation

  /// Settings that say nothing.
  public init(location: SourceLocation = .none) {
    networks = []
    regions = []
    minimumGainKilometres = 0
    self.location = location
  }

  /// Whether anything tells where a client is.
  public var knowsClients: Bool { database != nil || !networks.isEmpty }
}

/// What is known of the clients of one range, whatever the database says.
public struct GeoNetwork: Sendable, Equatable {
  /// The range.
  public var network: Located<Network>
  /// The sites that come first, in order. Nil: by distance from `place`.
  public var sites: [Located<String>]?
  /// Where its clients are. Nil: not told; what `sites` leaves out then keeps the configured order.
  public var place: Location?

  /// A range and what is known of it.
  public init(network: Located<Network>, sites: [Located<String>]?, place: Location? = nil) {
    self.network = network
    self.sites = sites
    self.place = place
  }
}

/// A part of the world and its sites.
public struct GeoRegion: Sendable, Equatable {
  /// How wide it is, the widest first.
  public enum Kind: String, Sendable, CaseIterable {
    /// A continent, by the two letters of GeoNames.
    case continent
    /// A country, by ISO 3166-1 alpha-2.
    case country
    /// A part of a country, by ISO 3166-2 (`US-CA`).
    case subdivision
  }
  /// How wide it is.
  public var kind: Kind
  /// Its code, upper case.
  public var code: Located<String>
  /// The sites that come first, in order.
  public var sites: [Located<String>]

  /// A part of the world and its sites.
  public init(kind: Kind, code: Located<String>, sites: [Located<String>]) {
    self.kind = kind
    self.code = code
    self.sites = sites
  }
}

extension Topology {
  /// The path of the MaxMind DB file: one that is not absolute starts at the folder of the topology's main file. Nil: there
  /// is none.
  public var databasePath: String? {
    guard let database = geo?.database else { return nil }
    guard !database.value.hasPrefix("/"), let slash = database.location.file.utf8.lastIndex(of: 0x2F) else {
      return database.value
    }
    return String(database.location.file[...slash]) + database.value
  }
}

/// Continents by the codes of GeoNames, which MaxMind's databases use.
public let continentCodes = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"]

/// Reads the code of a region, in any case; upper case comes out.
///
/// Codes that could exist are accepted for countries and their parts: ISO 3166 changes, databases have codes of their own
/// (`XK`), and there is no list of them all in here.
public func parseRegionCode(_ text: String, _ kind: GeoRegion.Kind) throws(TextError) -> String {
  let code = text.uppercased()
  let bytes = Array(code.utf8)
  func isLetter(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5A }
  switch kind {
  case .continent:
    guard continentCodes.contains(code) else {
      throw TextError("\"\(text)\" is not a continent", mend: "codes: " + continentCodes.joined(separator: ", "))
    }
  case .country:
    guard bytes.count == 2, bytes.allSatisfy(isLetter) else {
      throw TextError("\"\(text)\" is not a country", mend: "write two letters of ISO 3166-1, as in \"GB\"")
    }
  case .subdivision:
    guard bytes.count >= 4, bytes.count <= 6, bytes[..<2].allSatisfy(isLetter), bytes[2] == 0x2D,
      bytes[3...].allSatisfy({ isLetter($0) || isDigit($0) })
    else {
      throw TextError("\"\(text)\" is not a part of a country", mend: "write a code of ISO 3166-2, as in \"US-CA\"")
    }
  }
  return code
}

/// Reads where the public reaches a site: `https://host`, `http://host:port`; a slash at the end is dropped.
public func parseSiteURL(_ text: String) throws(TextError) -> String {
  let mend = "write \"https://eu.shop.example\", with a port if need be"
  var rest = text[...]
  guard let scheme = ["https://", "http://"].first(where: { text.lowercased().hasPrefix($0) }) else {
    throw TextError("\"\(text)\" is not an http or https URL", mend: mend)
  }
  rest = rest.dropFirst(scheme.count)
  if rest.hasSuffix("/") { rest = rest.dropLast() }
  guard !rest.contains(where: { "/?#@".contains($0) }) else {
    throw TextError(
      "\"\(text)\" is more than scheme, host and port", mend: "path and query are those of each request; \(mend)")
  }
  let port: UInt16 = scheme == "https://" ? 443 : 80
  let hasPort = rest.hasSuffix("]") ? false : rest.contains(":")
  let address = try hasPort ? Address(parsing: String(rest)) : Address(parsingHost: String(rest), port: port)
  if case .unix = address { throw TextError("\"\(text)\" names no host", mend: mend) }
  return scheme + (hasPort ? "\(address)" : address.hostText)
}
