import Reactor
import Testing

@Suite struct SocketAddressPortTests {
  @Test func anAddressWithoutAPortGetsOne() {
    let four = SocketAddress(ipv4: 0x7F00_0001, port: 0).withPort(ifNone: 3389)
    #expect(four == SocketAddress(ipv4: 0x7F00_0001, port: 3389))
    let six = SocketAddress(ipv6: 0xFD00 << 48, 7, port: 0).withPort(ifNone: 22)
    #expect(six == SocketAddress(ipv6: 0xFD00 << 48, 7, port: 22))
  }

  @Test func aPortThatIsThereStays() {
    #expect(SocketAddress(ipv4: 1, port: 80).withPort(ifNone: 22) == SocketAddress(ipv4: 1, port: 80))
  }

  @Test func aUnixSocketHasNone() throws {
    let unix = try #require(SocketAddress(unix: "/run/x"))
    #expect(unix.withPort(ifNone: 22) == unix)
  }
}
