internal import CReactor

/// When the memory of a crowd of connections goes back to the system. OpenSSL's part of a connection lies among those of others, in pieces that the C
/// library keeps for the next crowd, wherever a single one is in use behind them.
///
/// To be told of each end of a connection. What is found free is given back each time that half of a crowd has left: a few times for each crowd,
/// however large, and for small ones, which need it again soon, never.
public struct CrowdMemory: Sendable {
  /// Connections that have left, at least: 48 KiB each.
  public static let leftMin = 128
  /// As many as there were at once since the last time.
  private var most = 0

  /// Nobody was there.
  public init() {}

  /// A connection has ended, and so many are left. True: memory is to be given back.
  public mutating func hasLeft(_ count: Int) -> Bool {
    if count >= most { most = count + 1 }
    guard most - count >= Self.leftMin, count <= most / 2 else { return false }
    most = count
    return true
  }

  /// Gives back what is free in the process: some milliseconds for a hundred megabytes.
  public static func giveBack() { cr_give_back_memory() }
}
