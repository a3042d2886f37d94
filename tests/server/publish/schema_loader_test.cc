#include "server/publish/schema_loader.h"

#include <string>
#include <vector>

#include "tests/server/publish/openedx_fixture.h"

namespace sidebus {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::SizeIs;

constexpr char kValues[] =
    "dev-blocks-org.openedx.content_authoring.xblock.published.v1.CloudEvent";

class SchemaLoaderTest : public ::testing::Test {
 protected:
  static SubjectSchema Schema(int number) { return {"s" + std::to_string(number), "\"string\""}; }

  void Start(int count) {
    std::vector<SubjectSchema> schemas;
    for (int i = 1; i <= count; ++i) schemas.push_back(Schema(i));
    loader_ = SchemaLoader::Start(schemas, *cache_, time_, time_);
  }

  std::size_t waiting() const { return loader_->progress().waiting; }
  std::size_t refused() const { return loader_->progress().refused; }

  ManualTime time_;
  MemoryRegistry* const registry_ = new MemoryRegistry(time_, time_);
  std::unique_ptr<SchemaCache> cache_ =
      std::make_unique<SchemaCache>(std::unique_ptr<SchemaRegistry>(registry_), time_);
  std::shared_ptr<SchemaLoader> loader_;
};

TEST_F(SchemaLoaderTest, RegistersInOrderAndThenAsksNothingMore) {
  Start(3);
  EXPECT_THAT(waiting(), Eq(3u));

  time_.RunDue();
  time_.Advance(hours(1));

  EXPECT_THAT(registry_->questions(), ElementsAre("register s1", "register s2", "register s3"));
  EXPECT_THAT(waiting(), Eq(0u));
  EXPECT_THAT(refused(), Eq(0u));
}

TEST_F(SchemaLoaderTest, AsksAtMostSixteenAtATime) {
  registry_->SetDelay(seconds(1));
  Start(40);

  EXPECT_THAT(registry_->questions(), SizeIs(16));
  time_.Advance(seconds(1));
  EXPECT_THAT(registry_->questions(), SizeIs(32));
  time_.Advance(seconds(2));
  EXPECT_THAT(registry_->questions(), SizeIs(40));
  EXPECT_THAT(waiting(), Eq(0u));
}

TEST_F(SchemaLoaderTest, ARegistryThatIsDownIsAskedAgainUntilItAnswers) {
  registry_->SetDown(true);
  Start(3);
  time_.Advance(hours(1));
  EXPECT_THAT(waiting(), Eq(3u));
  const std::size_t asked = registry_->questions().size();
  EXPECT_GE(asked, 120u);  // every 30 s
  EXPECT_LE(asked, 3 * 130u);

  registry_->SetDown(false);
  time_.Advance(seconds(31));

  EXPECT_THAT(waiting(), Eq(0u));
}

TEST_F(SchemaLoaderTest, AWordOfTheRegistryAgainstOneSchemaStopsNoOther) {
  registry_->Add({"s2", "\"long\""});
  registry_->Freeze("s2");
  Start(3);

  time_.Advance(hours(1));

  EXPECT_THAT(waiting(), Eq(0u));
  EXPECT_THAT(refused(), Eq(1u));
  EXPECT_THAT(registry_->questions(), SizeIs(3));
}

TEST_F(SchemaLoaderTest, AfterItsEndItAsksNothing) {
  registry_->SetDown(true);
  Start(1);
  time_.RunDue();

  loader_->Stop();
  cache_.reset();

  time_.Advance(hours(1));
}

TEST_F(SchemaLoaderTest, EnabledRoutesNeedTheirKeysSchemaAndTheirValuesOnce) {
  const auto schema = *AvroSchema::Parse(OpenedxVectorOf(kBlockPublished).sorted_schema);
  const ProducerConfig config = {{kBlockPublished,
                                  {{"blocks", "xblock_info.usage_key", true},
                                   {"off", "xblock_info.usage_key", false},
                                   {"no-key", "xblock_info", true},
                                   {"plain", "", true},
                                   {"other", "", true, RecordEncoding::kCloudEvents}}},
                                 {kBlockDeleted, {{"blocks", "xblock_info.usage_key", true}}},
                                 {kRegistered, {{"users", "user.pii.username", true}}}};

  const auto router = *Router::Make(config, "dev", RecordEncoding::kOpenedx);
  const auto needed =
      SubjectSchemasOf(*router, {.by_type = {{kBlockPublished, schema}, {kBlockDeleted, schema}}});

  std::vector<std::string> subjects;
  for (const SubjectSchema& one : needed) subjects.push_back(one.subject);
  EXPECT_THAT(subjects, ElementsAre("dev-blocks-string", kValues,
                                    std::string("dev-plain-") + kBlockPublished + ".CloudEvent",
                                    std::string("dev-blocks-") + kBlockDeleted + ".CloudEvent"));
}

class LoadedSchemasTest : public OpenedxFixture {
 protected:
  LoadedSchemasTest() : OpenedxFixture(Registering::kOwn) {}
};

TEST_F(LoadedSchemasTest, TheSchemasOfEventsAreLookedUpAndRegisteredOnlyWhereTheGatewayHasThem) {
  Event own = MakeOpenedx(kCatalogChanged, 1);  // as the gateway has it, but for spaces
  const auto fine = Publish(own);
  const auto refused = Publish(MakeOpenedx(kBlockPublished, 2));

  time_.RunDue();
  producer_.WriteAll();

  EXPECT_TRUE(fine->result().error.ok()) << fine->result().error;
  ExpectRefused(refused->result(), Reason::kSchemaIncompatible, "not_written");
  EXPECT_THAT(registry_->questions(),
              ElementsAre("register dev-courses-string",
                          std::string("register dev-courses-") + kCatalogChanged + ".CloudEvent",
                          "lookup dev-blocks-string",
                          std::string("lookup dev-blocks-") + kBlockPublished + ".CloudEvent"));
}

}  // namespace
}  // namespace sidebus
