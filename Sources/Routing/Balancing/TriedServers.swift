/// The servers one request has tried: at most 16, which is the most attempts a request can have
/// (`RetryPlan.attemptsMax`). A value without heap storage.
public struct TriedServers: Sendable {
  /// The most servers it holds.
  public static let capacity = 16

  private var servers: InlineArray<16, Int32>
  private var used: UInt8

  /// No server tried yet.
  public init() {
    servers = InlineArray(repeating: -1)
    used = 0
  }

  /// How many servers are in it, 0 to 16.
  @inline(__always)
  public var count: Int { Int(used) }

  /// No server is in it.
  @inline(__always)
  public var isEmpty: Bool { used == 0 }

  /// Adds a server once. False: it is full, and the server was not added.
  @discardableResult
  public mutating func insert(_ server: Int32) -> Bool {
    if contains(server) { return true }
    guard used < Self.capacity else { return false }
    servers[Int(used)] = server
    used += 1
    return true
  }

  /// Forgets all servers.
  @inline(__always)
  public mutating func removeAll() { used = 0 }

  /// Whether the server is in it.
  @inline(__always)
  public func contains(_ server: Int32) -> Bool {
    for position in 0..<Int(used) where servers[position] == server { return true }
    return false
  }

  /// The server tried at `position`, 0 the first; `position` must be below `count`.
  public subscript(position: Int) -> Int32 {
    precondition(position < Int(used))
    return servers[position]
  }
}
