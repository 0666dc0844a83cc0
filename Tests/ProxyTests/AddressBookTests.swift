import Reactor
import Testing

@testable import Proxy

/// Addresses of servers given by name, and which of several is tried first.
@Suite struct AddressBookTests {
  private func address(_ last: UInt32, port: UInt16 = 80) -> SocketAddress {
    SocketAddress(ipv4: 0x7F00_0000 | last, port: port)
  }

  private func order(_ book: AddressBook) -> [UInt64] { book.all()[0][0].map { $0.parts.low & 0xFF } }

  @Test func anAddressThatFailedGoesBehindTheOthersOnce() {
    let book = AddressBook([[[address(1), address(2), address(3)]]])
    let generation = book.generation
    book.passOver(address(1), application: 0, server: 0)
    #expect(order(book) == [2, 3, 1])
    #expect(book.generation == generation + 1)
    // Somebody else who found the same at the same time.
    book.passOver(address(1), application: 0, server: 0)
    #expect(order(book) == [2, 3, 1])
    #expect(book.generation == generation + 1)
    // A check of it at another port.
    book.passOver(address(2, port: 81), application: 0, server: 0)
    #expect(order(book) == [3, 1, 2])
    #expect(book.first(application: 0, server: 0).map { $0.parts.low & 0xFF } == 3)
  }

  @Test func whatWasTakenFromTheBookDoesNotChangeWithIt() {
    let book = AddressBook([[[address(1), address(2)]], [[]]])
    let taken = book.all()
    book.passOver(address(1), application: 0, server: 0)
    book.update(application: 1, server: 0, [address(4)])
    #expect(taken[0][0].map { $0.parts.low & 0xFF } == [1, 2] && taken[1][0].isEmpty)
    #expect(book.first(application: 1, server: 0).map { $0.parts.low & 0xFF } == 4)
    #expect(AddressBook([[[]]]).first(application: 0, server: 0).map { $0.parts.port } == nil)
  }

  @Test func aSingleAddressStays() {
    let book = AddressBook([[[address(1)]]])
    book.passOver(address(1), application: 0, server: 0)
    #expect(order(book) == [1])
  }

  @Test func lookingUpTheSameAddressesKeepsTheirOrder() {
    let book = AddressBook([[[address(1), address(2)]]])
    book.passOver(address(1), application: 0, server: 0)
    let generation = book.generation
    book.update(application: 0, server: 0, [address(1), address(2)])
    book.update(application: 0, server: 0, [])
    #expect(order(book) == [2, 1])
    #expect(book.generation == generation)
    book.update(application: 0, server: 0, [address(1), address(3)])
    #expect(order(book) == [1, 3])
    #expect(book.generation > generation)
  }
}
