#include "tests/rpc/rpc_fixture.h"

namespace sidebus {
namespace {

using ::testing::SizeIs;

class PublishRpcTest : public RpcFixture {};

TEST_F(PublishRpcTest, AnswersEveryEventWithItsPosition) {
  StartServer();
  KeepWriting();

  v1::PublishResponse response;
  const grpc::Status status = Publish(RequestOf(3), &response);

  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_THAT(response.results(), SizeIs(3));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(response.results(i).event_id(), "id-" + std::to_string(i));
    EXPECT_FALSE(response.results(i).has_error());
    ASSERT_THAT(response.results(i).positions(), SizeIs(1));
    EXPECT_EQ(response.results(i).positions(0).topic(), "orders");
    EXPECT_EQ(response.results(i).positions(0).offset(), i);
  }
}

}  // namespace
}  // namespace sidebus
