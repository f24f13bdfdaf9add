"""How long it takes to find, among many open tickets, those of the same matter as a new one.

The peer, in the same run: rapidfuzz over all texts. Some of the questions are planted: the same
matter at the same spot, told by somebody else in other words. Cutting into words (jieba) is part
of each question.

    python -m bench.alike [--tickets 10000] [--questions 300]
"""

import argparse
import json
import random
import statistics
import time
from itertools import product

from rapidfuzz import fuzz, process

from cti.tickets.alike import Index, Matter

COUNTIES = (
    *(
        "渭滨区",
        "金台区",
        "陈仓区",
        "凤翔区",
        "岐山县",
        "扶风县",
        "眉县",
        "陇县",
        "千阳县",
        "麟游县",
    ),
    *("凤县", "太白县", "高新区"),
)
NAMES = (
    *(
        "阳光",
        "金源",
        "翠竹",
        "龙泉",
        "滨河",
        "新城",
        "东方",
        "锦绣",
        "和谐",
        "幸福",
        "安康",
        "学府",
    ),
    *(
        "西苑",
        "盛世",
        "紫荆",
        "凤鸣",
        "渭水",
        "秦岭",
        "长青",
        "永安",
        "富强",
        "光明",
        "建设",
        "红星",
    ),
    *("胜利", "团结", "友谊", "朝阳", "南山", "北坡"),
)
SPOTS = (
    *("{}小区", "{}花园", "{}家园", "{}路", "{}街", "{}村", "{}市场", "{}广场", "{}小学", "{}公寓"),
    *("{}大道", "{}社区"),
)
MATTERS = (
    ("从{when}开始停水，{so}", "家里没水已经好久，{so}", "自来水断了，{so}"),
    ("{when}就停电，{so}", "没电了，{so}", "供电中断到现在，{so}"),
    ("暖气不热，{so}", "家里暖气冰凉，{so}", "室温只有十几度，{so}"),
    ("路灯坏了好几盏，{so}", "路灯一直不亮，{so}", "{when}起没有路灯，{so}"),
    ("垃圾堆了几天没人清运，{so}", "垃圾一直没有拉走，{so}", "环境卫生很差，到处是垃圾，{so}"),
    ("下水道堵塞污水外溢，{so}", "污水流得到处都是，{so}", "下水管返水，{so}"),
    ("工地夜间施工噪音太大，{so}", "半夜还在打桩扰民，{so}", "施工吵得睡不着，{so}"),
    ("烧烤店油烟扰民，{so}", "楼下餐馆油烟直排，{so}", "烧烤摊排烟太大，{so}"),
    ("车辆乱停堵住通道，{so}", "违停严重，{so}", "占道停车没人管，{so}"),
    ("老板拖欠工资三个月，{so}", "干完活不给工资，{so}", "欠薪一直不结，{so}"),
    ("电梯坏了一周，{so}", "电梯停运没人修，{so}", "电梯经常困人，{so}"),
    ("路面坑坑洼洼，{so}", "道路破损严重有大坑，{so}", "路烂得走不成，{so}"),
    ("有人私搭乱建，{so}", "楼顶违章建筑没人拆，{so}", "邻居私自加盖房子，{so}"),
    ("流浪狗追咬行人，{so}", "大狗不拴绳，{so}", "养狗扰民，{so}"),
    ("井盖丢失很危险，{so}", "窨井没有盖子，{so}", "井盖破损，{so}"),
    ("物业乱收费，{so}", "物业费涨价没有公示，{so}", "收费标准不透明，{so}"),
    ("幼儿园入学登记不上，{so}", "孩子上学没有学位，{so}", "学区划分不合理，{so}"),
    ("健身房关门年卡不退，{so}", "理发店跑路会员卡退不了，{so}", "预付卡里的钱要不回来，{so}"),
    ("房子漏雨没人修，{so}", "楼顶渗水防水没做好，{so}", "屋顶漏得厉害，{so}"),
    ("公交车等半小时不来，{so}", "公交班次太少，{so}", "等车时间太长，{so}"),
)
"""One matter a row, told in three ways."""
SO = (
    *("打电话没人接", "老人孩子受不了", "多次反映没有结果", "希望尽快处理", "影响正常生活"),
    *("请相关部门核实", "邻居们意见很大", "已经很久了", "说是等通知", "要求给个说法", "出门不方便"),
)
WHEN = ("昨晚", "今天早上", "上周", "国庆节", "前天中午", "月初")
HOUR = 3600.0
T0 = 1_795_400_000.0


def ticket(dice: random.Random, id: str, matter: int, where: int, way: int, at: float) -> Matter:
    """Return a ticket of *matter* at the spot *where*, told in *way*."""
    county, (spot, name) = COUNTIES[where % len(COUNTIES)], _PLACES[where % len(_PLACES)]
    so = "，".join(dice.sample(SO, dice.randrange(1, 4)))
    said = MATTERS[matter][way].format(when=dice.choice(WHEN), so=so)
    return Matter(
        id=id,
        text=f"{dice.choice(('', '市民反映', county, '您好，'))}{spot.format(name)}{said}",
        caller=f"139{dice.randrange(10**8):08d}",
        county=county if dice.random() < 0.8 else None,
        at=at,
    )


_PLACES = tuple(product(SPOTS, NAMES))


def measure(tickets: int, questions: int) -> dict[str, object]:
    """Return the figures; times in milliseconds."""
    dice = random.Random(12345)
    index, texts, planted = Index(), {}, {}
    began = time.perf_counter()
    for n in range(tickets):
        matter, where = dice.randrange(len(MATTERS)), dice.randrange(len(_PLACES) * 13)
        one = ticket(dice, f"T{n:05d}", matter, where, dice.randrange(3), T0 + n * 60)
        index.put(one)
        texts[one.id] = one.text
        planted[one.id] = (matter, where)
    filling = time.perf_counter() - began
    index.ask(Matter(id="warm", text="停水"))
    ours, cpu, peer, found, first, peer_found = [], [], [], 0, 0, 0
    for n, (id, (matter, where)) in enumerate(dice.sample(sorted(planted.items()), questions)):
        way = dice.randrange(3)
        asked = ticket(dice, f"Q{n}", matter, where, way, T0 + tickets * 60 + HOUR)
        began, worked = time.perf_counter(), time.thread_time()
        alike = index.ask(asked)
        ours.append((time.perf_counter() - began) * 1000)
        cpu.append((time.thread_time() - worked) * 1000)
        same = {other for other, what in planted.items() if what == (matter, where)}
        found += id in {one.ticket_id for one in alike}
        first += bool(alike) and alike[0].ticket_id in same
        if n % 5 == 0:  # the peer is slow
            began = time.perf_counter()
            best = process.extract(asked.text, texts, scorer=fuzz.token_set_ratio, limit=10)
            peer.append((time.perf_counter() - began) * 1000)
            peer_found += id in {key for _, _, key in best}
    ours.sort()
    cpu.sort()
    return {
        "tickets": tickets,
        "questions": questions,
        "put_ms": round(filling * 1000 / tickets, 3),
        "p50_ms": round(statistics.median(ours), 2),
        "p99_ms": round(ours[int(len(ours) * 0.99)], 2),
        "max_ms": round(ours[-1], 2),
        "cpu_p99_ms": round(cpu[int(len(cpu) * 0.99)], 2),
        "peer_p50_ms": round(statistics.median(peer), 2),
        "peer_to_ours": round(statistics.median(peer) / statistics.median(ours), 1),
        "planted_found": round(found / questions, 3),
        "planted_first": round(first / questions, 3),
        "peer_planted_found": round(peer_found / len(peer), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--questions", type=int, default=300)
    asked = parser.parse_args()
    print(json.dumps(measure(asked.tickets, asked.questions), indent=2))


if __name__ == "__main__":
    main()
