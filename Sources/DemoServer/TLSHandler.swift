import Glibc
import NIOCore
import TLS

/// TLS of a demo server's connection: what the client sends is fed to it, and what it has for the client is written.
final class TLSHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let connection: TLSConnection
  /// The client ended the stream, or broke it.
  private var isOver = false

  init(_ connection: consuming TLSConnection) { self.connection = connection }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let fed = unwrapInboundIn(data).withUnsafeReadableBytes { connection.feed($0) }
    guard fed, !isOver else { return context.close(promise: nil) }
    var received = context.channel.allocator.buffer(capacity: 16_384)
    var result = 1
    while result > 0 {
      received.writeWithUnsafeMutableBytes(minimumWritableBytes: 16_384) { memory in
        result = connection.receive(into: memory)
        return max(0, result)
      }
    }
    // Otherwise there is nothing more for now.
    isOver = result != -Int(EAGAIN)
    sendOutput(context)
    if received.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(received)) }
    if isOver { context.close(promise: nil) }
  }

  @discardableResult
  private func sendOutput(_ context: ChannelHandlerContext) -> Int {
    var output = context.channel.allocator.buffer(capacity: 0)
    connection.takeOutput { output.writeBytes($0) }
    let count = output.readableBytes
    if count > 0 { context.writeAndFlush(wrapOutboundOut(output), promise: nil) }
    return count
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    var left = unwrapOutboundIn(data)
    // Each turn takes a few records; it goes on when they are out.
    while left.readableBytes > 0 {
      let sent = left.readWithUnsafeReadableBytes { max(0, connection.send($0)) }
      let taken = sendOutput(context)
      if sent == 0 && taken == 0 { break }
    }
    context.write(wrapOutboundOut(context.channel.allocator.buffer(capacity: 0)), promise: promise)
  }

  func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
    if mode != .input {
      connection.end()
      sendOutput(context)
      context.flush()
    }
    context.close(mode: mode, promise: promise)
  }
}
