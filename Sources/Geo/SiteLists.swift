/// An order of sites that was met before: a number in place of a list.
public struct SiteList: Sendable, Hashable {
  /// The list's position among all that were met.
  public let number: UInt32

  /// The configured order.
  public static let configured = SiteList(number: 0)
}

/// Every order of sites that occurs, each kept once.
public struct SiteLists: Sendable {
  /// Number of sites in each list.
  public let siteCount: Int
  private var flat: [UInt16]
  private var numbers: [[Int]: UInt32]

  /// Only the configured order. At most 65,535 sites.
  public init(siteCount: Int) {
    precondition(siteCount <= Int(UInt16.max), "more sites than a list can hold")
    self.siteCount = siteCount
    let configured = Array(0..<siteCount)
    flat = configured.map(UInt16.init)
    numbers = [configured: 0]
  }

  /// Number of lists.
  public var count: Int { numbers.count }

  /// The list of a number below `count`.
  public func list(_ number: Int) -> SiteList {
    precondition(number >= 0 && number < count, "a list that there is not")
    return SiteList(number: UInt32(number))
  }

  /// The list of an order, which is remembered.
  public mutating func intern(_ order: [Int]) -> SiteList {
    precondition(order.count == siteCount, "an order has every site once")
    if let number = numbers[order] { return SiteList(number: number) }
    let number = UInt32(numbers.count)
    numbers[order] = number
    for site in order { flat.append(UInt16(site)) }
    return SiteList(number: number)
  }

  /// The site at a rank of a list, 0 the preferred one.
  @inline(__always)
  public func site(_ rank: Int, of list: SiteList) -> Int {
    precondition(rank >= 0 && rank < siteCount, "a rank beyond the sites")
    return Int(flat[Int(list.number) * siteCount + rank])
  }

  /// The sites of a list, the preferred one first.
  public func sites(of list: SiteList) -> [Int] { (0..<siteCount).map { site($0, of: list) } }
}
