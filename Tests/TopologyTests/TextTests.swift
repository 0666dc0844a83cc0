import Testing

@testable import Topology

@Suite struct AddressTextTests {
  @Test(arguments: [
    ("127.0.0.1:80", Address.ipv4(0x7F00_0001, port: 80)), ("255.255.255.255:65535", .ipv4(.max, port: 65535)),
    ("[::1]:8080", .ipv6(high: 0, low: 1, port: 8080)),
    ("[2001:db8::ff00:42:8329]:1", .ipv6(high: 0x2001_0DB8_0000_0000, low: 0x0000_FF00_0042_8329, port: 1)),
    ("[::ffff:10.0.0.1]:1", .ipv6(high: 0, low: 0xFFFF_0A00_0001, port: 1)),
    ("unix:/run/a.sock", .unix(path: "/run/a.sock")), ("unix:@a", .unix(path: "@a")),
    ("Shop.Example:443", .host(name: "shop.example", port: 443)), ("1a:1", .host(name: "1a", port: 1)),
  ]) func readsAddresses(text: String, address: Address) throws {
    #expect(try Address(parsing: text) == address)
  }

  @Test(arguments: [
    "", ":", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:080", "127.0.0.1:+80",
    "127.0.0.01:80", "127.0.0:80", "1.2.3.4.5:80", "256.0.0.1:80", "::1:80", "[::1]", "[::1:80", "[1:2]:80",
    "[1::2::3]:80", "[::12345]:80", "[1:2:3:4:5:6:7:8:9]:80", "[1:2:3:4:5:6:7::8]:1x", "unix:", "unix:a", "unix:@",
    "*:80", "a b:80",
    "-a:80", "a..b:80", "http://a:80",
  ]) func refusesWhatIsNoAddress(text: String) {
    #expect(throws: TextError.self) { try Address(parsing: text) }
  }

  @Test func aUnixPathHasAtMost107Bytes() throws {
    _ = try Address(parsing: "unix:/" + String(repeating: "a", count: 106))
    #expect(throws: TextError.self) { try Address(parsing: "unix:/" + String(repeating: "a", count: 107)) }
  }

  @Test func everyAddressIsReadBackFromItsText() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let port = UInt16.random(in: 1...65535, using: &random)
      // Sparse groups, so that runs of zeros of every length come up.
      func half() -> UInt64 {
        (0..<4).reduce(0) { sum, _ in
          sum << 16 | (Bool.random(using: &random) ? 0 : UInt64.random(in: 0...0xFFFF, using: &random))
        }
      }
      for address in [
        Address.ipv4(.random(in: 0...UInt32.max, using: &random), port: port),
        .ipv6(high: half(), low: half(), port: port),
      ] {
        #expect(try Address(parsing: address.description) == address)
      }
    }
  }

  @Test(arguments: [
    ("[0:0:0:0:0:0:0:0]:1", "[::]:1"), ("[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1"),
    ("[1:0:2:3:4:5:6:7]:1", "[1:0:2:3:4:5:6:7]:1"),
    ("[ABCD::]:1", "[abcd::]:1"),
  ]) func writesIPv6AsRFC5952Says(text: String, written: String) throws {
    #expect(try Address(parsing: text).description == written)
  }
}

@Suite struct NetworkTextTests {
  @Test(arguments: [
    ("10.0.0.0/8", "10.0.0.0/8"), ("127.0.0.1", "127.0.0.1/32"), ("0.0.0.0/0", "0.0.0.0/0"), ("::/0", "::/0"),
    ("2001:db8::/32", "2001:db8::/32"), ("::1", "::1/128"),
  ]) func readsNetworks(text: String, written: String) throws {
    #expect(try Network(parsing: text).description == written)
  }

  @Test(arguments: [
    "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10/8", "::/129", "2001:db8::1/32", "a/8", "10.0.0.0/-1",
  ])
  func refusesWhatIsNoNetwork(text: String) {
    #expect(throws: TextError.self) { try Network(parsing: text) }
  }

  @Test func containsItsAddresses() throws {
    let network = try Network(parsing: "10.1.0.0/16")
    #expect(network.contains(high: 0, low: 0xFFFF_0A01_FFFF))
    #expect(!network.contains(high: 0, low: 0xFFFF_0A02_0000))
    #expect(!network.contains(high: 1, low: 0xFFFF_0A01_0000))
    #expect(try Network(parsing: "::/0").contains(high: .max, low: .max))
  }
}

@Suite struct QuantityTextTests {
  @Test(arguments: [
    ("30s", Duration.seconds(30)), ("250ms", .milliseconds(250)), ("1.5s", .milliseconds(1500)), ("1m", .seconds(60)),
    ("2h", .seconds(7200)), ("1d", .seconds(86400)), ("10us", .microseconds(10)), ("5ns", .nanoseconds(5)),
    ("0", .zero),
    ("0s", .zero), ("0.000000001s", .nanoseconds(1)), ("36500d", .seconds(36500 * 86400)),
  ]) func readsDurations(text: String, duration: Duration) throws {
    #expect(try Duration(parsing: text) == duration)
  }

  @Test(arguments: [
    "", "s", "10", "-1s", "+1s", "1 s", "1S", "1x", ".5s", "1.s", "1.5.0s", "1e3s", "36501d", "99999999999999999999s",
    "1.0000000001s", "１s",
  ])
  func refusesWhatIsNoDuration(text: String) {
    #expect(throws: TextError.self) { try Duration(parsing: text) }
  }

  @Test func everyDurationIsReadBackFromItsText() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let digits = Int.random(in: 0...17, using: &random)
      let most = (0..<digits).reduce(Int64(1)) { product, _ in product * 10 }
      let duration = Duration.nanoseconds(Int64.random(in: 0...most, using: &random))
      #expect(try Duration(parsing: duration.text) == duration)
    }
  }

  @Test func scalingKeepsWhatIsAboveZeroAboveZero() {
    #expect(Duration.seconds(30).scaled(by: 0.1) == .seconds(3))
    #expect(Duration.milliseconds(1).scaled(by: 0.000001) == .microseconds(1))
    #expect(Duration.zero.scaled(by: 0.1) == .zero)
    #expect(Duration.seconds(7).scaled(by: 1) == .seconds(7))
  }

  @Test(arguments: [
    ("512", 512), ("16KiB", 16384), ("1MiB", 1 << 20), ("1.5KiB", 1536), ("2GB", 2_000_000_000), ("10kB", 10_000),
    ("0", 0),
  ])
  func readsSizes(text: String, bytes: Int) throws {
    #expect(try parseSize(text) == bytes)
    #expect(try parseSize(formatSize(bytes)) == bytes)
  }

  @Test(arguments: ["", "KiB", "-1", "1 KiB", "1kib", "1TB", "2000GiB", "1e3"]) func refusesWhatIsNoSize(text: String) {
    #expect(throws: TextError.self) { try parseSize(text) }
  }

  @Test func readsBandwidths() throws {
    #expect(try parseBandwidth("100Mbit") == 100_000_000)
    #expect(try parseBandwidth("1.5Gbit/s") == 1_500_000_000)
    for text in ["", "100", "0Mbit", "1MB", "-1Mbit"] { #expect(throws: TextError.self) { try parseBandwidth(text) } }
  }
}

@Suite struct NameTextTests {
  @Test(arguments: [
    ("A", true), ("9-_a", true), (String(repeating: "a", count: 64), true), (String(repeating: "a", count: 65), false),
    ("", false),
    ("-a", false), ("_a", false), ("a b", false), ("a.b", false), ("é", false),
  ]) func namesAreAsSemanticsB7Says(text: String, isValid: Bool) {
    #expect(isName(text) == isValid)
  }

  @Test func cookieValuesHaveNoneOfOurDelimiters() {
    for text in ["", "a b", "a~b", "a|b", "a;b", "a,b", "a\"b", "a\\b", "é", "a\tb"] { #expect(!isCookieValue(text)) }
    for text in ["SITE1", "a=b", "a.b:c/d"] { #expect(isCookieValue(text)) }
  }

  @Test(
    arguments: [
      ("wieght", "weight"), ("SITE", "SITE1"), ("site1", "SITE1"), ("intervall", "interval"), ("x", nil),
      ("zzzzzz", nil), ("", nil),
    ] as [(String, String?)]) func suggestsTheNearestSpelling(text: String, nearest: String?)
  {
    #expect(nearestSpelling(of: text, among: ["weight", "SITE1", "SITE2", "interval"]) == nearest)
  }

  @Test func editDistanceCountsSwapsOnceAndIsSymmetric() {
    #expect(editDistance("ab", "ba") == 1)
    #expect(editDistance("kitten", "sitting") == 3)
    #expect(editDistance("", "abc") == 3)
    for (a, b) in [("server", "servre"), ("a", "xyz"), ("admission", "admision")] {
      #expect(editDistance(a, b) == editDistance(b, a))
    }
  }
}

@Suite struct DistanceTests {
  @Test func nearerPlacesComeFirst() {
    let brussels = Location(latitude: 50.85, longitude: 4.35)
    let places = [
      Location(latitude: -33.87, longitude: 151.21), Location(latitude: 40.71, longitude: -74.01),
      Location(latitude: 51.51, longitude: -0.13), brussels,
    ]
    #expect(orderByDistance(from: brussels, to: places) == [3, 2, 1, 0])
  }

  @Test func theDateLineSeparatesNothing() {
    let east = Location(latitude: 0, longitude: 179)
    let west = Location(latitude: 0, longitude: -179)
    let far = Location(latitude: 0, longitude: 170)
    #expect(east.nearness(to: west) > east.nearness(to: far))
    #expect(abs(east.nearness(to: east) - 1) < 1e-12)
    #expect(abs(Location(latitude: 90, longitude: 0).nearness(to: Location(latitude: -90, longitude: 0)) + 1) < 1e-12)
  }

  @Test func equallyFarPlacesKeepTheirOrder() {
    let origin = Location(latitude: 0, longitude: 0)
    let place = Location(latitude: 10, longitude: 10)
    #expect(orderByDistance(from: origin, to: [place, place, place]) == [0, 1, 2])
  }
}
