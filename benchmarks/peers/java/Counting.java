package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.state.WindowStore;

/** Kafka Streams: a tumbling count and sum by queue, exactly_once_v2, one thread. BOOTSTRAP TOPIC GROUP FOLDER COMMIT_MS KEYED */
public final class Counting {
    record Event(long time, String queue, double waitSeconds) {}

    record Sums(long count, double seconds) {}

    private static final JsonFactory JSON = new JsonFactory();

    static Event decode(byte[] value) {
        long time = 0;
        String queue = "none";
        double waitSeconds = 0;
        try (JsonParser json = JSON.createParser(value)) {
            json.nextToken();
            for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
                json.nextToken();
                switch (name) {
                    case "time" -> time = State.microseconds(json.getText()) / 1_000;
                    case "queue" -> queue = json.getText();
                    case "wait_seconds" -> waitSeconds = json.getDoubleValue();
                    default -> json.skipChildren();
                }
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return new Event(time, queue, waitSeconds);
    }

    static final Serde<Event> EVENT = Serdes.serdeFrom(
        (Serializer<Event>) (topic, event) -> {
            byte[] queue = event.queue().getBytes(StandardCharsets.UTF_8);
            return ByteBuffer.allocate(16 + queue.length).putLong(event.time()).putDouble(event.waitSeconds()).put(queue).array();
        },
        (Deserializer<Event>) (topic, bytes) -> {
            if (bytes == null) return null;
            if (bytes[0] == '{') return decode(bytes);
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            return new Event(buffer.getLong(), new String(bytes, 16, bytes.length - 16, StandardCharsets.UTF_8), buffer.getDouble(8));
        });

    static final Serde<Sums> SUMS = Serdes.serdeFrom(
        (Serializer<Sums>) (topic, sums) -> sums == null ? null : ByteBuffer.allocate(16).putLong(sums.count()).putDouble(sums.seconds()).array(),
        (Deserializer<Sums>) (topic, bytes) -> {
            if (bytes == null) return null;
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            return new Sums(buffer.getLong(), buffer.getDouble());
        });

    public static void main(String[] arguments) {
        Properties settings = Application.settings(arguments);

        TimestampExtractor time = (record, partition) -> ((Event) record.value()).time();
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, Event> events = builder.stream(arguments[1], Consumed.with(Serdes.String(), EVENT).withTimestampExtractor(time));
        Grouped<String, Event> grouped = Grouped.with(Serdes.String(), EVENT);
        KGroupedStream<String, Event> queues = arguments[5].equals("queue")
            ? events.groupByKey(grouped)
            : events.groupBy((customer, event) -> event.queue(), grouped);
        queues.windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(5), Duration.ofHours(1)))
            .aggregate(
                () -> new Sums(0, 0.0),
                (queue, event, sums) -> new Sums(sums.count() + 1, sums.seconds() + event.waitSeconds()),
                Materialized.<String, Sums, WindowStore<Bytes, byte[]>>as("by-queue")
                    .withKeySerde(Serdes.String()).withValueSerde(SUMS));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
        streams.start();
    }
}
